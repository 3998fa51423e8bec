"""`localmesh exec`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from localmesh.cli import client
from localmesh.cli.options import namespace_option, state_option

_FROM_TERMINAL = ("TERM", "COLORTERM", "LINES", "COLUMNS")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("workload")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND…")
@namespace_option
@state_option
@click.option("-c", "--container", metavar="NAME", help="In this container.  [default: the first]")
def exec(  # noqa: A001 - the name of kubectl's command
    *,
    workload: str,
    command: tuple[str, ...],
    namespace: str | None,
    state_folder: Path | None,
    container: str | None,
) -> None:
    """Run a command as in a pod: with its environment, its folder and its sidecar as the HTTP proxy.

    WORKLOAD may be a pod, or deploy/NAME as for kubectl. The command is a program of this machine. Its exit
    status is that of `exec`.
    """
    mesh = client.connect(state_folder)
    pod = _pod(mesh.get("/mesh"), workload.rpartition("/")[2], namespace)
    launch = mesh.post(
        f"/mesh/pods/{pod['namespace']}/{pod['name']}/exec",
        {"command": list(command), "container": container or ""},
    )
    environment = _with_terminal(launch["environment"])
    program = shutil.which(launch["command"][0], path=environment["PATH"])
    if program is None:
        missing = f'"{command[0]}" is not a program of this machine; `exec` runs no programs of images'
        raise click.UsageError(missing)
    os.chdir(launch["workingDirectory"])
    os.execve(program, launch["command"], environment)  # noqa: S606 - the command of the caller


def _with_terminal(environment: Mapping[str, str]) -> dict[str, str]:
    terminal = {name: os.environ[name] for name in _FROM_TERMINAL if name in os.environ}
    return {**terminal, **environment}


def _pod(mesh: Mapping[str, Any], name: str, namespace: str | None) -> Mapping[str, Any]:
    """The first pod of a workload, or the pod of that name. Raises click.UsageError."""
    in_namespace = [pod for pod in mesh["pods"] if namespace in (None, pod["namespace"])]
    chosen = [pod for pod in in_namespace if name in (pod["workload"], pod["name"])]
    if not chosen:
        names = ", ".join(sorted({pod["workload"] for pod in in_namespace})) or "none"
        raise click.UsageError(f'there is no pod of "{name}"; there are: {names}')
    namespaces = sorted({pod["namespace"] for pod in chosen})
    if len(namespaces) > 1:
        raise click.UsageError(f"{name} exists in {', '.join(namespaces)}: choose one with -n")
    running: Mapping[str, Any] = min(chosen, key=lambda pod: not pod["ready"])
    return running
