"""Kubernetes quantities: `250m`, `64Mi`, `2e3`."""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(text: str) -> Fraction:
    """The exact number that a quantity stands for. Raises ValueError for anything else.

    >>> quantity("250m"), quantity("64Mi"), quantity("2e3")
    (Fraction(1, 4), Fraction(67108864, 1), Fraction(2000, 1))
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a quantity')
    suffix = found["suffix"] or ""
    if suffix in _BINARY:
        factor = Fraction(1024) ** _BINARY[suffix]
    else:
        exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0)
        factor = Fraction(10) ** exponent
    return Fraction(found["number"]) * factor
