"""The command line: `workshop list`, `start`, `check`, `hint`, `solution`, `break` and `namespaces`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing for it would take time
if TYPE_CHECKING:
    import click


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; each error is one line on standard error."""
    import click

    from loadgen.errors import ExitStatus, LoadgenError

    try:
        status = commands().main(arguments, prog_name="workshop", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitStatus.WRONG_USAGE
    except click.MissingParameter as error:
        command = error.ctx.command_path if error.ctx else "workshop"
        click.echo(f"{command}: error: {error.format_message()} `workshop list` has the exercises.", err=True)
        return ExitStatus.WRONG_USAGE
    except click.ClickException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "workshop")
        click.echo(f"{command}: error: {error.format_message()} (see {command} --help)", err=True)
        return ExitStatus.WRONG_USAGE
    except LoadgenError as error:
        click.echo(f"workshop: error: {error}", err=True)
        return error.exit_status
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("workshop: interrupted\n")
        return ExitStatus.INCONCLUSIVE
    return int(status or ExitStatus.OK)


def commands() -> click.Group:
    """The program with its commands."""
    import click

    from workshop.commands import break_, check, hint, list_, namespaces, solution, start

    @click.group(context_settings={"help_option_names": ["-h", "--help"]})
    def workshop() -> None:
        """Exercises that grade themselves by what the mesh does: start one, solve it, check it."""

    for command in (list_, start, check, hint, solution, break_, namespaces):
        workshop.add_command(command)
    return workshop


if __name__ == "__main__":
    sys.exit(main())
