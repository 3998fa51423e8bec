"""Durations as Istio's resources write them."""

from __future__ import annotations

import re

from loadgen.meshstate.errors import UnsupportedConfig

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)")


def seconds(text: str) -> float:
    """A duration such as `1m30s` in seconds.

    >>> seconds("500ms"), seconds("1m30s")
    (0.5, 90.0)
    """
    if not _PART.sub("", text) == "" or not text:
        raise UnsupportedConfig(f'"{text}" is not a duration such as 500ms or 2s')
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
