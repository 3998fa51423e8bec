"""Which localmesh this is, and what it imitates."""

from __future__ import annotations

import os
from typing import Any

import click

from localmesh import ISTIO_VERSION, __version__


def version_text() -> str:
    """The versions of localmesh, of the Istio whose behaviour it has, and of the Envoys that it runs."""
    from localmesh.runtime.processes.envoy import BINARY_VARIABLE, PACKAGE

    if named := os.environ.get(BINARY_VARIABLE):
        envoy = f"the Envoy {named}"
    else:
        from importlib.metadata import version

        envoy = f"Envoy {version(PACKAGE)}"
    return f"localmesh {__version__}, as Istio {ISTIO_VERSION}, with {envoy}"


def _tell(context: click.Context, _parameter: click.Parameter, *, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(version_text())
        context.exit()


def version_option(command: Any) -> Any:
    """Adds `--version`."""
    return click.option(
        "--version",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=lambda context, parameter, wanted: _tell(context, parameter, wanted=wanted),
        help="Show the version, and those of Istio and Envoy.",
    )(command)
