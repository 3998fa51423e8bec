"""`localmesh up`: a mesh in the foreground."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from localmesh.cli.client import DEFAULT_API_PORT, default_state_folder
from localmesh.cli.options import (
    PORT,
    manifest_options,
    port_option,
    required,
    state_option,
    strict_option,
    trace_sampling_option,
)
from localmesh.cli.sources import Sources

_MESH = "localmesh.cli.up_mesh"
_REGION = "local"
_ZONE = re.compile(r"[\w.-]+(?:/[\w.-]+){0,2}")


def _zones(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """The zones that a list names, each as region/zone. Raises click.BadParameter."""
    zones = [zone.strip() for zone in text.split(",")] if text else []
    if not all(_ZONE.fullmatch(zone) for zone in zones):
        raise click.BadParameter(f'"{text}" is not a list of zones such as a,b or europe/a,america/b')
    return tuple(zone if "/" in zone else f"{_REGION}/{zone}" for zone in zones)


@click.command()
@manifest_options
@strict_option
@state_option
@port_option("--gateway-port", 8080, "Port of the ingress gateway; 0: any free port.")
@click.option(
    "--gateway-https-port",
    type=PORT,
    help="Port of the ingress gateway for HTTPS.  [default: 8443; any free port with --gateway-port 0]",
)
@port_option("--api-port", DEFAULT_API_PORT, "Port of the API; 0: any free port.")
@click.option(
    "--commands/--no-commands",
    "run_commands",
    default=True,
    show_default=True,
    help="Run the commands of containers; --no-commands starts stubs instead.",
)
@click.option(
    "--zones",
    callback=_zones,
    metavar="ZONE,…",
    help="Pretend to have a node in each zone (REGION/ZONE, or ZONE of region local); pods get them in turn.",
)
@trace_sampling_option
@click.option("--end-with-parent", is_flag=True, help="Stop when the parent process ends.")
@click.option("--from-make", is_flag=True, hidden=True, help="Name variables of `make` in messages.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def up(
    *,
    sources: Sources,
    strict: bool,
    state_folder: Path | None,
    **options: Any,
) -> None:
    """Start a mesh in the foreground; Ctrl-C stops it.

    Each container's command runs as a process in the current folder, or in the container's workingDir.
    A container without a command, or whose program is not on this machine, becomes a stub that answers with
    the request that it received.

    With `-- COMMAND …`, the command runs once the mesh is ready, with the URL of the API in LOCALMESH_URL.
    The mesh stops when the command ends, with the exit status of the command.
    """
    sources = required(sources)
    # the imports take half a second, kustomize half of that
    loaded = sources.load(strict=strict, meanwhile=lambda: import_module(_MESH))
    from localmesh.cli.up_mesh import UpOptions, run

    sys.exit(run(loaded, UpOptions(state_folder=state_folder or default_state_folder(), **options)))
