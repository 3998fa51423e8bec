"""`localmesh status`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from localmesh.cli import client
from localmesh.cli.options import state_option
from localmesh.cli.output import table


@click.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(state_folder: Path | None, as_json: bool) -> None:
    """Show pods, proxies and gateways of the running mesh, and warnings about its configuration."""
    mesh = client.connect(state_folder).get("/mesh")
    click.echo(json.dumps(mesh, indent=2) if as_json else _text(mesh))


def _text(mesh: Mapping[str, Any]) -> str:
    pods = [
        [
            pod["namespace"],
            pod["name"],
            pod["state"],
            str(pod["restarts"]),
            {True: "synced", False: "not synced", None: "no sidecar"}[pod["proxySynced"]],
            ", ".join(f"{declared} at {real}" for declared, real in pod["ports"].items()),
        ]
        for pod in mesh["pods"]
    ]
    parts = [table(["NAMESPACE", "POD", "STATE", "RESTARTS", "PROXY", "PORTS"], pods)]
    gateways = [[name, *port] for name, ports in mesh["gateways"].items() for port in ports.items()]
    if gateways:
        parts.append(table(["GATEWAY", "PORT", "ADDRESS"], gateways))
    if mesh["notIntercepted"]:
        parts.append("not intercepted: " + ", ".join(mesh["notIntercepted"]))
    if mesh["ignored"]:
        ignored = ", ".join(f"{count} {kind}" for kind, count in mesh["ignored"].items())
        parts.append(f"ignored (no effect without a cluster): {ignored}")
    return "\n\n".join([*parts, *mesh["warnings"]])
