"""Percentages as Envoy's fractions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HUNDRED_PERCENT: Mapping[str, Any] = {"numerator": 100, "denominator": "HUNDRED"}


def fraction(percent: float) -> Mapping[str, Any]:
    """A percentage as millionths, cut off as Istio does: 12.5 → 125000.

    >>> fraction(12.5)
    {'numerator': 125000, 'denominator': 'MILLION'}
    """
    return {"numerator": int(percent * 10000), "denominator": "MILLION"}
