"""Counts of work, which unlike times are the same in every run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any


def lines_run(function: Callable[[], object]) -> int:
    """How many lines of Python are executed while a function runs, each pass of a loop included."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def growth(counts: Sequence[int]) -> float:
    """The growth of work over three sizes, each twice the one before: of the last step over the first one.

    It is 2 where the work is linear, whatever its constant part, and 4 where it is quadratic.
    """
    one, two, four = counts
    return (four - two) / max(two - one, 1)
