"""Ctrl-C and SIGTERM: the first ends the work in good order, the second ends the program."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from loadgen.measurement.pacing import Sender

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let the first signal raise KeyboardInterrupt, whatever the program is doing; the next one kills it."""
    before = {number: signal.getsignal(number) for number in NUMBERS}

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _kill_next_time()
        raise KeyboardInterrupt

    for number in NUMBERS:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def stopped_by_signals(sender: Sender) -> Iterator[None]:
    """Let the first signal end the sending, not the program: what was measured so far is reported."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in NUMBERS}

    def stop() -> None:
        sender.stop()
        for number in NUMBERS:
            loop.remove_signal_handler(number)
        _kill_next_time()

    for number in NUMBERS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        if not sender.stopped:
            for number, handler in before.items():
                # The loop would leave Python's own handlers behind, not those that were there before it.
                loop.remove_signal_handler(number)
                signal.signal(number, handler)


def _kill_next_time() -> None:
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)
