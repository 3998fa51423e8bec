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
from loadgen.run.options import MOST_CONNECTIONS, USUAL_RATE, USUAL_SECONDS, RunOptions


class Duration(click.ParamType[float]):
    """A time such as 30, 30s, 1m30s or 500ms; its value is in seconds."""

    name = "duration"
    _UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}  # noqa: RUF012 (never changed)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; anything else, and nothing at all, is refused."""
        if isinstance(value, float):
            return value
        text = str(value) if str(value)[-1:].isalpha() else f"{value}s"
        if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+", text, re.ASCII):
            self.fail(f'"{value}" is not a duration; write it like 30s, 1m30s or 500ms', param, ctx)
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
        seconds = sum(float(number) * self._UNITS[unit] for number, unit in parts)
        if not seconds:
            self.fail(f'"{value}" is no time at all', param, ctx)
        return seconds


POSITIVE = click.FloatRange(min=0, min_open=True, max=100_000)
COUNT = click.IntRange(min=1)
FEW = click.IntRange(min=1, max=10_000)


@click.command()
@click.argument("url", required=False)
@mesh_option
@click.option(
    "--rate", type=POSITIVE, help=f"Requests per second, on schedule (open loop).  [default: {USUAL_RATE:g}]"
)
@click.option("--concurrency", type=FEW, help="So many requests at all times instead (closed loop).")
@click.option(
    "--duration", type=Duration(), help=f"Like 30s or 5m.  [default: {USUAL_SECONDS:g}s, without --requests]"
)
@click.option("--requests", type=COUNT, help="So many requests; with --duration, whichever ends first.")
@click.option(
    "--connections", type=FEW, help=f"Most connections of an open loop.  [default: {MOST_CONNECTIONS}]"
)
@click.option("--timeout", type=Duration(), default=10.0, help="From the intended send time.  [default: 10s]")
@click.option("--method", help="HTTP method.  [default: GET, or POST with a body]")
@click.option("--path", help="Path and query.  [default: that of the URL]")
@click.option("--body", help="The body, or @FILE for what is in a file.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header; repeatable.")
@click.option(
    "--all-good", is_flag=True, help="Fail unless every request is answered with a status below 400."
)
@click.option("--json", "json_path", metavar="FILE", help="The summary as JSON; - for standard output.")
@click.option("--live/--no-live", default=None, help="Watch the run.  [default: on a terminal]")
def run(
    url: str | None, mesh: str | None, json_path: str | None, live: bool | None, **given: Any
) -> ExitStatus:
    """Send steady traffic to URL and sum it up.

    Without URL it goes to the gateway of the running local mesh. If neither path, method nor body is given,
    it is sentences to POST /sentiment, in rotation; a URL with a slash after its host gives a path:
    http://HOST:PORT/ is GET /. Ctrl-C ends it early, with the summary.
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
    watched = sys.stderr.isatty() if live is None else live
    summary = uvloop.run(send(traffic, requests[0], target, live=watched))
    show(console(stderr=json_path == "-"), final_table(summary))
    if json_path:
        write_json(json_path, summary.document())
    summary.check_answered()
    if options.all_good:
        summary.check_all_good()
    return ExitStatus.OK
