"""The command line: `loadgen run`, `loadgen prove` and `loadgen token`."""

from __future__ import annotations

import sys

import click

from loadgen.errors import ExitStatus, LoadgenError
from loadgen.prove.cli import prove
from loadgen.run.cli import run
from loadgen.tokens.cli import token


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def loadgen() -> None:
    """Send HTTP traffic: measure it, or prove what the mesh does with it."""


loadgen.add_command(run)
loadgen.add_command(prove)
loadgen.add_command(token)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; each problem is one line on standard error."""
    try:
        status = loadgen.main(arguments, prog_name="loadgen", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitStatus.WRONG_USAGE
    except click.ClickException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "loadgen")
        click.echo(f"{command}: error: {error.format_message()} (see {command} --help)", err=True)
        return ExitStatus.WRONG_USAGE
    except LoadgenError as error:
        click.echo(f"loadgen: error: {error}", err=True)
        return error.exit_status
    except (KeyboardInterrupt, click.Abort):
        click.echo("loadgen: interrupted before anything was measured", err=True)
        return ExitStatus.INCONCLUSIVE
    return int(status or ExitStatus.OK)


if __name__ == "__main__":
    sys.exit(main())
