"""Amounts of CPU, memory and storage, such as 100m or 64Mi."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

_QUANTITY = re.compile(r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?\Z")


def quantity(amount: Field) -> Iterator[Problem]:
    """One amount, which is not negative."""
    if amount.text is not None:
        is_fine = _QUANTITY.match(amount.text) is not None
    else:
        is_fine = amount.number is None or amount.number >= 0
    if not is_fine:
        yield amount.problem(
            invalid.OUT_OF_RANGE,
            expected="an amount such as 100m, 0.5, 64Mi or 1G",
            remedy="write a number with one of the units m, k, M, G, T, Ki, Mi, Gi, Ti, or without",
        )
