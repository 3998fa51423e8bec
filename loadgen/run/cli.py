"""The command line of `loadgen run`."""

from __future__ import annotations

import re
import sys
from typing import Any

import click

from loadgen.errors import ExitStatus
from loadgen.http1 import Target
from loadgen.mesh_options import gateway_url, mesh_option
from loadgen.reporting.console import console, show
from loadgen.reporting.output import check_writable, write_json
from loadgen.run.options import DEFAULT_RATE, DEFAULT_SECONDS, MAX_CONNECTIONS, RunOptions


class Duration(click.ParamType[float]):
    """A duration such as 30, 30s, 1m30s or 500ms; its value is in seconds."""

    name = "duration"
    _UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}  # noqa: RUF012 (never changed)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the duration; it must be longer than zero."""
        if isinstance(value, float):
            return value
        text = str(value) if str(value)[-1:].isalpha() else f"{value}s"
        if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", text, re.ASCII):
            self.fail(f'"{value}" is not a duration; write it like 30s, 1m30s or 500ms', param, ctx)
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
        seconds = sum(float(number) * self._UNITS[unit] for number, unit in parts)
        if not seconds:
            self.fail(f'"{value}" is not a duration above zero', param, ctx)
        return seconds


POSITIVE = click.FloatRange(min=0, min_open=True, max=100_000)
COUNT = click.IntRange(min=1)
FEW = click.IntRange(min=1, max=10_000)


@click.command()
@click.argument("url", required=False)
@mesh_option
@click.option("--rate", type=POSITIVE, help=f"Requests per second (open loop).  [default: {DEFAULT_RATE:g}]")
@click.option(
    "--concurrency", type=FEW, help="Number of concurrent requests, instead of --rate (closed loop)."
)
@click.option(
    "--duration",
    type=Duration(),
    help=f"Like 30s or 5m.  [default: {DEFAULT_SECONDS:g}s, without --requests]",
)
@click.option(
    "--requests",
    type=COUNT,
    help="Number of requests; with --duration, the run stops at whichever comes first.",
)
@click.option(
    "--connections",
    type=FEW,
    help=f"Maximum number of connections of an open loop.  [default: {MAX_CONNECTIONS}]",
)
@click.option(
    "--timeout",
    type=Duration(),
    default=10.0,
    help="Per request, from its scheduled send time.  [default: 10s]",
)
@click.option("--method", help="HTTP method.  [default: GET, or POST with a body]")
@click.option("--path", help="Path and query.  [default: those of the URL]")
@click.option("--body", help="The body, or @FILE to read it from a file.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header; repeatable.")
@click.option(
    "--all-good", is_flag=True, help="Exit with status 1 unless every request gets a status below 400."
)
@click.option("--json", "json_path", metavar="FILE", help="Write the summary as JSON; - is standard output.")
@click.option("--live/--no-live", default=None, help="Show a live view.  [default: on a terminal]")
def run(
    url: str | None, mesh: str | None, json_path: str | None, live: bool | None, **given: Any
) -> ExitStatus:
    """Send steady traffic to URL and summarize it.

    Without URL, the target is the gateway of the running local mesh. Without path, method and body, the
    requests are sentences to POST /sentiment. A slash after the host is a path: http://HOST:PORT/ means
    GET /. Ctrl-C stops the run early and prints the summary.
    """
    import uvloop

    from loadgen.run.command import run as send
    from loadgen.run.view import final_table

    options = RunOptions(**given)
    check_writable(json_path)
    url = url or gateway_url(mesh)
    target = Target.from_url(url)
    requests = options.to_send(url)
    traffic = options.traffic(tuple(request.encode(target) for request in requests))
    live = sys.stderr.isatty() if live is None else live
    summary = uvloop.run(send(traffic, requests[0], target, live=live))
    show(console(stderr=json_path == "-"), final_table(summary))
    if json_path:
        write_json(json_path, summary.document())
    summary.check_answered()
    if options.all_good:
        summary.check_all_good()
    return ExitStatus.OK
