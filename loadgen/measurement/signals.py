"""Ctrl-C and SIGTERM: the first signal ends the work in an orderly way, the second kills the program."""

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
    """Make the first signal raise KeyboardInterrupt, and the next one kill the program."""
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
    """Make the first signal stop the sender and not the program: what was measured is reported."""
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
                # The event loop restores Python's default handlers, not the previous ones.
                loop.remove_signal_handler(number)
                signal.signal(number, handler)


def _kill_next_time() -> None:
    for number in NUMBERS:
        signal.signal(number, signal.SIG_DFL)
