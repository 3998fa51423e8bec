"""Runs `loadgen run` from start to summary."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from loadgen.http1 import SECOND, Request, Target, clock
from loadgen.http1.target import reach
from loadgen.measurement.pacing import Traffic, sender
from loadgen.measurement.signals import stopped_by_signals
from loadgen.reporting.console import console
from loadgen.run.recorder import WINDOW_SECONDS, Recorder, Window
from loadgen.run.summary import Summary, pace
from loadgen.run.view import live_view, progress_line

if TYPE_CHECKING:
    from rich.console import Group

UPDATE_SECONDS = 0.25
"""How often the recent counts are updated and the live view is drawn."""
SWITCH_SECONDS = 0.0005
"""How long the thread that draws may keep the thread that measures waiting."""


async def run(traffic: Traffic, request: Request, target: Target, *, live: bool) -> Summary:
    """Send the traffic and sum it up; raises NotReachable if the target accepts no connection."""
    reached = await reach(target)
    if not live:
        _print(f"sending {request.method} {target.url}{request.path}, {pace(traffic)}, {_end(traffic)}")
    recorder = Recorder()
    window = Window(recorder)
    sending = sender(traffic, reached, recorder.ended)
    started = clock()

    def elapsed() -> float:
        return (clock() - started) / SECOND

    def view() -> Group:
        return live_view(window, sending.issued, elapsed(), _goal(traffic))

    with stopped_by_signals(sending), _drawn(view) if live else nullcontext():
        async with _updated(window, elapsed, printed=not live):
            await sending.run()
    return Summary.of(target, request, traffic, recorder, sending, seconds=elapsed())


@asynccontextmanager
async def _updated(window: Window, elapsed: Callable[[], float], *, printed: bool) -> AsyncIterator[None]:
    """Keep the window up to date; with `printed`, print it whenever it is filled again."""

    async def update() -> None:
        due = WINDOW_SECONDS
        while True:
            await asyncio.sleep(UPDATE_SECONDS)
            window.update(elapsed())
            if printed and elapsed() >= due:
                _print(progress_line(window, elapsed()))
                due += WINDOW_SECONDS

    task = asyncio.create_task(update())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def _drawn(view: Callable[[], Group]) -> Iterator[None]:
    """Show the live view on standard error."""
    from rich.live import Live

    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with Live(
            get_renderable=view,
            console=console(stderr=True),
            refresh_per_second=1 / UPDATE_SECONDS,
            transient=True,
        ):
            yield
    finally:
        sys.setswitchinterval(before)


def _print(line: str) -> None:
    console(stderr=True).print(f"run: {line}", soft_wrap=True)


def _goal(traffic: Traffic) -> str:
    return _end(traffic) if traffic.seconds is None else f"of {traffic.seconds:g} s"


def _end(traffic: Traffic) -> str:
    if traffic.seconds is not None:
        return f"for {traffic.seconds:g} s"
    return f"until {traffic.count:,} requests have ended"
