"""`localmesh rotate-certificates`."""

from __future__ import annotations

from pathlib import Path

import click

from localmesh.cli import client
from localmesh.cli.options import state_option


@click.command("rotate-certificates")
@state_option
def rotate_certificates(state_folder: Path | None) -> None:
    """Issue a new certificate to every proxy of the running mesh; no connection is interrupted."""
    answer = client.connect(state_folder).post("/mesh/rotate-certificates", {})
    click.echo(f"{answer['proxies']} proxies have new certificates")
