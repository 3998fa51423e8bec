"""The commands: up, apply, status, logs, proxy-config, rotate-certificates, down; and those of other modules.

Exit status: 0 done, 1 it could not be done, 2 wrong usage or manifests that cannot be used.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from localmesh.cli import INTERRUPTED, client
from localmesh.cli.errors import outcome
from localmesh.cli.inspect import applied_text, lines_of, status_text
from localmesh.cli.objects import delete, get
from localmesh.cli.serving import serve, sidecar
from localmesh.cli.sources import (
    ALONE,
    PORT,
    WARNINGS_SHOWN,
    Sources,
    required,
    source_options,
    state_option,
    strict_option,
)
from localmesh.cli.version import version_option

_STOP_SECONDS = 30
_PARTS = ("listeners", "routes", "clusters", "endpoints")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@version_option
def cli() -> None:
    """Run Kubernetes and Istio manifests on this machine: processes and real Envoys, no cluster."""


@cli.command()
@source_options
@strict_option
@state_option
@click.option(
    "--gateway-port",
    type=PORT,
    default=8080,
    show_default=True,
    help="Where the gateway listens; 0: any free port.",
)
@click.option(
    "--api-port",
    type=PORT,
    default=client.DEFAULT_API_PORT,
    show_default=True,
    help="Where the API listens; 0: any free port.",
)
@click.option("--end-with-parent", is_flag=True, help="Stop when the process that started it ends.")
@click.option("--from-make", is_flag=True, hidden=True, help="Name ports in messages as `make` takes them.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def up(kustomizations: tuple[Path, ...], files: tuple[Path, ...], strict: bool, **options: Any) -> None:
    """Start a mesh in the foreground; Ctrl-C stops it.

    With `-- COMMAND …` that command is run when all is ready, with the mesh's address in LOCALMESH_URL,
    and the mesh ends with it, with its exit status.
    """
    from localmesh.cli.up import UpOptions
    from localmesh.cli.up import up as run

    sources = required(Sources(kustomizations, files))
    loaded = sources.load(strict=strict)
    sys.exit(run(loaded, UpOptions(**options)))


for command in (serve, sidecar, get, delete):
    cli.add_command(command)


@cli.command(context_settings=ALONE)
@source_options
@strict_option
@state_option
def apply(
    kustomizations: tuple[Path, ...], files: tuple[Path, ...], strict: bool, state_folder: Path
) -> None:
    """Change the running mesh; returns when every proxy has acknowledged.

    With -k the mesh becomes what the kustomizations say, and what they do not name is removed. With -f
    alone the objects are added to what is there, or take the place of their namesakes.
    """
    sources = required(Sources(kustomizations, files))
    url = client.url_of(state_folder)
    order = sources.ordered(strict=strict, elsewhere=client.is_named())
    are_shown = order.pop(WARNINGS_SHOWN, False)
    applied = client.post(url, "/mesh/apply", order)
    for warning in () if are_shown else applied["warnings"]:
        click.echo(f"{warning}\n", err=True)
    click.echo(applied_text(applied))


@cli.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(state_folder: Path, as_json: bool) -> None:
    """Show pods, proxies and gateways of the running mesh."""
    found = client.get(client.url_of(state_folder), "/mesh")
    click.echo(json.dumps(found, indent=2) if as_json else status_text(found))


@cli.command()
@click.argument("workload")
@state_option
@click.option("--proxy", is_flag=True, help="The log of its Envoy instead of the application's.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option(
    "--tail",
    "last",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="How many lines to begin with.",
)
def logs(workload: str, state_folder: Path, proxy: bool, follow: bool, last: int) -> None:
    """Show the log of a workload or, with --proxy, of its Envoy or a gateway."""
    found = client.get(client.url_of(state_folder), "/mesh")
    files = [
        pod["proxyLog" if proxy else "log"]
        for pod in found["pods"]
        if workload in (pod["workload"], pod["name"])
    ]
    files += [each["proxyLog"] for each in found["proxies"] if workload in (each["workload"], each["name"])]
    if not files:
        names = sorted(
            {pod["workload"] for pod in found["pods"]} | {each["workload"] for each in found["proxies"]}
        )
        raise click.UsageError(f'no log of "{workload}"; there are: {", ".join(names)}')
    if files[0] is None or not Path(files[0]).exists():
        missing = f"at {files[0]}, which is not here" if files[0] else "not kept by the mesh"
        raise click.UsageError(f"the log of {workload} is {missing}: ask whoever runs its container")
    for line in lines_of(Path(files[0]), last=last, follow=follow):
        click.echo(line, nl=False)


@cli.command("proxy-config")
@click.argument("part", type=click.Choice([*_PARTS, "policies", "all"]))
@click.argument("workload")
@source_options
@strict_option
@state_option
def proxy_config(
    *,
    part: str,
    workload: str,
    kustomizations: tuple[Path, ...],
    files: tuple[Path, ...],
    strict: bool,
    state_folder: Path,
) -> None:
    """Print the Envoy configuration of a workload's sidecar or of a gateway, as JSON.

    WORKLOAD is the name of a Deployment, of a gateway such as istio-ingressgateway, or of one of their pods;
    NAME.NAMESPACE where the name alone is not unique. With -k or -f the manifests are translated and nothing
    is started.
    """
    sources = Sources(kustomizations, files)
    if sources:
        from localmesh.explain.offline import UnknownWorkloadError
        from localmesh.explain.offline import proxy_config as offline
        from localmesh.xds.config_dump import config_dump

        try:
            found = config_dump(offline(sources.load(strict=strict).resources, workload))
        except UnknownWorkloadError as error:
            raise click.UsageError(str(error)) from None
    else:
        found = client.get(client.url_of(state_folder), f"/mesh/proxy-config/{workload}")
    chosen = {each: found[each] for each in _PARTS} if part == "all" else found[part]
    click.echo(json.dumps(chosen, indent=2))


@cli.command("rotate-certificates")
@state_option
def rotate_certificates(state_folder: Path) -> None:
    """Give every proxy of the running mesh a new certificate; nothing is interrupted."""
    found = client.post(client.url_of(state_folder), "/mesh/rotate-certificates", {})
    click.echo(f"{found['proxies']} proxies have new certificates")


@cli.command()
@state_option
def down(state_folder: Path) -> None:
    """Stop the mesh that runs with this state folder."""
    running = client.RunningMesh.read(state_folder)
    if running is None:
        click.echo(f"no mesh runs with the state folder {state_folder.resolve()}", err=True)
        return
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while client.RunningMesh.read(state_folder) is not None:
        if time.monotonic() > deadline:
            raise click.ClickException(f"process {running.pid} has not ended within {_STOP_SECONDS} s")
        time.sleep(0.05)


def run(arguments: list[str] | None = None) -> int:
    """Runs the command line; its exit status. Errors that users can mend end in a message."""
    try:
        cli(arguments, prog_name="localmesh", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return INTERRUPTED
    except Exception as error:
        status, message = outcome(error)
        click.echo(message, err=True)
        return status
    return 0
