"""`localmesh apply`."""

from __future__ import annotations

from pathlib import Path

import click

from localmesh.cli import client
from localmesh.cli.options import (
    NO_ARGUMENTS,
    manifest_options,
    required,
    state_option,
    strict_option,
)
from localmesh.cli.output import changes_text
from localmesh.cli.sources import Sources
from localmesh.errors import InvalidInputError

NOTHING_CHANGED = "Nothing was changed: the previous configuration still applies."


@click.command(context_settings=NO_ARGUMENTS)
@manifest_options
@strict_option
@state_option
def apply(
    *,
    sources: Sources,
    strict: bool,
    state_folder: Path | None,
) -> None:
    """Change the running mesh; return when every proxy has acknowledged the change.

    With -k, the mesh gets exactly the objects of the kustomizations: all others are removed.
    With -f alone the objects are added, or replace those of the same kind and name.
    """
    sources = required(sources)
    mesh = client.connect(state_folder)
    try:
        request, warnings_printed = sources.request(
            strict=strict,
            elsewhere=lambda: client.is_given_by_url() and not mesh.runs_here(),
            running=mesh.objects,
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"{error}\n{NOTHING_CHANGED}") from None
    answer = mesh.post("/mesh/apply", request)
    for warning in () if warnings_printed else answer["warnings"]:
        click.echo(f"{warning}\n", err=True)
    click.echo(changes_text(answer))
