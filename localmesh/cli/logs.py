"""`localmesh logs`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from localmesh.cli import client
from localmesh.cli.options import namespace_option, state_option

_FOLLOW_SECONDS = 0.2


@click.command()
@click.argument("workload")
@namespace_option
@state_option
@click.option("--proxy", is_flag=True, help="The log of its Envoy instead of the application's.")
@click.option("-f", "--follow", is_flag=True, help="Print new lines as they are written.")
@click.option(
    "--tail",
    "last",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Number of recent lines to print first.",
)
def logs(
    *,
    workload: str,
    namespace: str | None,
    state_folder: Path | None,
    proxy: bool,
    follow: bool,
    last: int,
) -> None:
    """Print the log of a workload or, with --proxy, of its Envoy. WORKLOAD may be a pod or a gateway."""
    mesh = client.connect(state_folder).get("/mesh")
    file = _log_file(mesh, workload, namespace, "proxyLog" if proxy else "log")
    for line in lines_of(file, last=last, follow=follow):
        click.echo(line, nl=False)


def _log_file(mesh: Mapping[str, Any], workload: str, namespace: str | None, log: str) -> Path:
    """The log of a workload. Raises click.UsageError if there is none, or if the name is not unique."""
    files = [(pod, pod[log]) for pod in mesh["pods"]]
    files += [(gateway, gateway["proxyLog"]) for gateway in mesh["proxies"]]
    in_namespace = [(item, file) for item, file in files if namespace in (None, item["namespace"])]
    chosen = [(item, file) for item, file in in_namespace if workload in (item["workload"], item["name"])]
    if not chosen:
        names = ", ".join(sorted({item["workload"] for item, _ in in_namespace})) or "none"
        raise click.UsageError(f'there is no log of "{workload}"; there are: {names}')
    namespaces = sorted({item["namespace"] for item, _ in chosen})
    if len(namespaces) > 1:
        raise click.UsageError(f"{workload} exists in {', '.join(namespaces)}: choose one with -n")
    file = chosen[0][1]
    if file is None or not Path(file).exists():
        missing = f"at {file}, which does not exist here" if file else "not kept by the mesh"
        raise click.UsageError(f"the log of {workload} is {missing}: look at the container's own log")
    return Path(file)


def lines_of(file: Path, *, last: int, follow: bool) -> Iterator[str]:
    """The last lines of a log; with `follow` also new lines, without end."""
    with file.open("rb") as log:
        yield from map(_decoded, deque(log, maxlen=last))
        while follow:
            if file.stat().st_size < log.tell():  # a new mesh has truncated it
                log.seek(0)
            line = log.readline()
            if line:
                yield _decoded(line)
            else:
                time.sleep(_FOLLOW_SECONDS)


def _decoded(line: bytes) -> str:
    return line.decode(errors="replace")
