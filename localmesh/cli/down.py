"""`localmesh down`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from localmesh.cli import client
from localmesh.cli.options import state_option

_STOP_SECONDS = 30


@click.command()
@state_option
def down(state_folder: Path | None) -> None:
    """Stop the mesh that runs with this state folder; return when it has ended."""
    folder = state_folder or client.default_state_folder()
    running = client.RunningMesh.read(folder)
    if running is None:
        click.echo(f"no mesh runs with the state folder {folder.resolve()}", err=True)
        return
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while client.RunningMesh.read(folder) is not None:
        if time.monotonic() > deadline:
            raise click.ClickException(f"process {running.pid} has not ended within {_STOP_SECONDS} s")
        time.sleep(0.05)
