"""Errors that users can mend: each ends in a message and an exit status, never in a traceback."""

from __future__ import annotations

import click

from localmesh.cli import client

_WRONG_USAGE = 2


def said_of_usage(error: click.ClickException) -> str:
    """One line: which command, what was wrong with its words, and where to read more."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "localmesh"
    return f"{command}: error: {error.format_message()} (see {command} --help)"


def told(error: Exception) -> tuple[int, str]:
    """The exit status and the message of an error that users can mend; any other one is a bug and raised."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return _WRONG_USAGE, error.format_message()
    if isinstance(error, click.UsageError):
        return _WRONG_USAGE, said_of_usage(error)
    if isinstance(error, click.ClickException):
        return error.exit_code, f"localmesh: {error.format_message()}"
    if isinstance(error, client.RefusedError):
        refused = error.status in (400, 404, 422)
        return (_WRONG_USAGE, str(error)) if refused else (1, f"localmesh: {error}")
    if isinstance(error, client.NoMeshError):
        return 1, f"localmesh: {error}"
    return _told_of_meshes(error)


def _told_of_meshes(error: Exception) -> tuple[int, str]:
    from localmesh.errors import FAILURES
    from localmesh.problems import ManifestError
    from localmesh.runtime.external.inventory import InventoryError

    if isinstance(error, ManifestError | InventoryError):
        return _WRONG_USAGE, str(error)
    if isinstance(error, FAILURES):
        return 1, f"localmesh: {error}"
    raise error
