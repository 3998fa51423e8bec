"""One run from start to summary."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadgen.http1 import SECOND, Request, Target, clock
from loadgen.http1.target import reach
from loadgen.measurement.pacing import Sender, Traffic, sender
from loadgen.measurement.signals import stopped_by_signals
from loadgen.reporting.console import console
from loadgen.run.recorder import Recorder
from loadgen.run.summary import Summary, pace
from loadgen.run.view import live_table

if TYPE_CHECKING:
    from rich.table import Table

LIVE_PER_SECOND = 4
SWITCH_SECONDS = 0.0005
"""How long the thread that draws may keep the one that measures waiting."""


async def run(traffic: Traffic, request: Request, target: Target, *, live: bool) -> Summary:
    """Send the traffic and sum it up; raises NotReachable if it does not even accept a connection."""
    reached = await reach(target)
    if not live:
        said = f"run: sending {request.method} {target.url}{request.path}, {pace(traffic)}, {_end(traffic)}"
        console(stderr=True).print(said, soft_wrap=True)
    recorder = Recorder()
    sending = sender(traffic, reached, recorder.ended)
    started = clock()
    with stopped_by_signals(sending), _drawn(recorder, sending, traffic, started, live=live):
        await sending.run()
    seconds = (clock() - started) / SECOND
    return Summary.of(target, request, traffic, recorder, sending, seconds=seconds)


@contextmanager
def _drawn(
    recorder: Recorder, sending: Sender, traffic: Traffic, started: int, *, live: bool
) -> Iterator[None]:
    if not live:
        yield
        return
    from rich.live import Live

    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    goal = _goal(traffic)

    def view() -> Table:
        return live_table(recorder, sending.issued, (clock() - started) / SECOND, goal)

    try:
        with Live(
            get_renderable=view,
            console=console(stderr=True),
            refresh_per_second=LIVE_PER_SECOND,
            transient=True,
        ):
            yield
    finally:
        sys.setswitchinterval(before)


def _goal(traffic: Traffic) -> str:
    return _end(traffic) if traffic.seconds is None else f"of {traffic.seconds:g} s"


def _end(traffic: Traffic) -> str:
    if traffic.seconds is not None:
        return f"for {traffic.seconds:g} s"
    return f"until {traffic.count:,} requests have ended"
