"""Expected errors end in one message and an exit status; any other exception is a bug and is raised."""

from __future__ import annotations

import click

from localmesh.errors import LocalmeshError

WRONG_USAGE = 2


def usage_message(error: click.ClickException) -> str:
    """One line: the command, what is wrong with its arguments, and where to read more."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "localmesh"
    return f"{command}: error: {error.format_message()} (see {command} --help)"


def outcome(error: Exception) -> tuple[int, str]:
    """The exit status and the message of an expected error. Raises any other one again."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return WRONG_USAGE, error.format_message()
    if isinstance(error, click.UsageError):
        return WRONG_USAGE, usage_message(error)
    if isinstance(error, click.ClickException):
        return error.exit_code, f"localmesh: {error.format_message()}"
    if isinstance(error, LocalmeshError):
        # invalid input is reported with the file's name in front, as compilers do
        prefix = "" if error.exit_status == WRONG_USAGE else "localmesh: "
        return error.exit_status, f"{prefix}{error}"
    raise error
