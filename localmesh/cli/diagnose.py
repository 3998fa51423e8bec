"""`localmesh diagnose`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import click

from localmesh.cli.output import terminal_width

_FORMATS = ("text", "json")


@click.command()
@click.argument("lines", nargs=-1, metavar="[LOG-LINE]...")
@click.option("-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Output format.")
def diagnose(*, lines: tuple[str, ...], form: str) -> None:
    """Explain lines of an Envoy access log: what happened, what usually causes it, where to look first.

    LOG-LINE is one line in quotes, even if a terminal broke it; without it, the log is read from standard
    input. The formats are Istio's text and JSON, and Envoy's default. No mesh has to run.
    """
    if not lines and sys.stdin.isatty():
        raise click.UsageError("give a line of an access log, or a log on standard input")
    from localmesh.diagnose.diagnosis import as_json, summarize

    log = (line.decode(errors="replace") for line in sys.stdin.buffer)
    summary = summarize(_unbroken(lines) if lines else log)
    if not summary.failures and not summary.successful:
        raise click.UsageError(
            "no entry of an access log found: a line starts with its time in brackets"
            ' ([2026-11-30T12:00:00.000Z] "GET / HTTP/1.1" 200 …), or is a JSON object with response_code and'
            " response_flags"
        )
    if form == "json":
        click.echo(json.dumps(as_json(summary), indent=2))
        return
    from localmesh.diagnose.text import text

    click.echo(text(summary, terminal_width()))


def _unbroken(arguments: tuple[str, ...]) -> Iterator[str]:
    """Lines as they were before a terminal broke them: an entry begins with a bracket or a brace."""
    for argument in arguments:
        yield from re.sub(r"\s*\\?\n\s*(?![\s\[{])", " ", argument).splitlines()
