"""The command line: `loadgen run`, `loadgen prove` and `loadgen token`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing for it would take time
if TYPE_CHECKING:
    import click

COMMANDS = {"run": "loadgen.run.cli", "prove": "loadgen.prove.cli", "token": "loadgen.tokens.cli"}
"""Each command and its module, in which it is a function of the same name."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; each error is one line on standard error.

    Slow imports happen in `_run`, so that Ctrl-C during start-up does not print a traceback.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        from loadgen.errors import ExitStatus

        sys.stderr.write("loadgen: interrupted before anything was measured\n")
        return ExitStatus.INCONCLUSIVE


def _run(arguments: list[str] | None) -> int:
    import click

    from loadgen.errors import ExitStatus, LoadgenError

    try:
        status = commands().main(arguments, prog_name="loadgen", standalone_mode=False)
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
    except click.Abort:
        raise KeyboardInterrupt from None
    return int(status or ExitStatus.OK)


def commands() -> click.Group:
    """The program with its commands, each of which is imported when it is used."""
    from importlib import import_module

    import click

    class Commands(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            del ctx
            return list(COMMANDS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            del ctx
            if cmd_name not in COMMANDS:
                return None
            command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
            return command

    @click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
    def loadgen() -> None:
        """Send HTTP traffic: measure it, or prove how the mesh handles it."""

    return loadgen


if __name__ == "__main__":
    sys.exit(main())
