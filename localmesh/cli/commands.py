"""The command `localmesh`: its subcommands, `--version`, and what every error ends in.

Exit status: 0 done, 1 it could not be done, 2 wrong usage or manifests that cannot be used.
"""

from __future__ import annotations

import os
from importlib import import_module

import click

from localmesh import ENVOY_PACKAGE, ENVOY_VARIABLE, ISTIO_VERSION, __version__
from localmesh.cli import INTERRUPTED
from localmesh.errors import LocalmeshError

COMMANDS = {
    "up": "Start a mesh in the foreground.",
    "serve": "Run the control plane for pods that are started elsewhere.",
    "sidecar": "Run the Envoy of one such pod.",
    "validate": "Validate manifests without starting anything.",
    "explain": "Explain what becomes of a request.",
    "diagnose": "Explain lines of an access log.",
    "test": "Test what the configuration does with requests.",
    "diff": "Show what a change of manifests changes for which proxy.",
    "apply": "Change the configuration of the running mesh.",
    "delete": "Remove objects from the running mesh.",
    "get": "List the objects of the running mesh.",
    "status": "Show pods, proxies, gateways and warnings.",
    "logs": "Print the log of a workload or of its proxy.",
    "exec": "Run a command with the environment and the sidecar of a pod.",
    "proxy-config": "Print the Envoy configuration of a proxy.",
    "certificate": "Make a certificate for hosts, for tests.",
    "rotate-certificates": "Issue new certificates to all proxies.",
    "down": "Stop the running mesh.",
}
"""Each command with its line in `--help`; it is the function of its name in the module of its name."""
_WRONG_USAGE = 2


class _Commands(click.Group):
    """Imports only the module of the command that runs: those of `up` take half a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"localmesh.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def version_text() -> str:
    """The versions of localmesh, of the Istio that it behaves like, and of the Envoy that it runs."""
    if binary := os.environ.get(ENVOY_VARIABLE):
        envoy = f"the Envoy {binary}"
    else:
        from importlib.metadata import version

        envoy = f"Envoy {version(ENVOY_PACKAGE)}"
    return f"localmesh {__version__}, as Istio {ISTIO_VERSION}, with {envoy}"


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(version_text())
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the versions of localmesh, Istio and Envoy.",
)
def cli() -> None:
    """Run Kubernetes and Istio manifests on this machine: processes and real Envoys, no cluster.

    Commands that need a running mesh find it by LOCALMESH_URL, else by the state folder (--state or
    LOCALMESH_STATE, .localmesh by default); without any of these, at http://127.0.0.1:7080.
    """


def run(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit status. Expected errors end in a message."""
    try:
        status = cli(arguments, prog_name="localmesh", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return INTERRUPTED
    except (click.ClickException, LocalmeshError) as error:
        status, message = _outcome(error)
        click.echo(message, err=True)
        return status
    return status or 0


def _outcome(error: click.ClickException | LocalmeshError) -> tuple[int, str]:
    """The exit status and the message of an error."""
    if isinstance(error, LocalmeshError):
        # invalid input is reported with the file's name in front, as compilers do
        prefix = "" if error.exit_status == _WRONG_USAGE else "localmesh: "
        return error.exit_status, f"{prefix}{error}"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return _WRONG_USAGE, error.format_message()
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx is not None else "localmesh"
        return _WRONG_USAGE, f"{command}: error: {error.format_message()} (see {command} --help)"
    return error.exit_code, f"localmesh: {error.format_message()}"
