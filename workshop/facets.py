"""The facets of an answer that exercises expect something of, each in words.

| facet | value |
|---|---|
| `status` | the status; `none` without an answer |
| `answer` | the status and the services that answered, or the text of a proxy's own answer |
| `seconds` | `under 2` or `over 2`: how long the answer took |
| `attempts of SERVICE` | the number of the attempt that the service answered; `none` if it did not |
| `header NAME` | the value of a header field of the answer; `none` if it has none |
| `copies at SERVICE VERSION` | `arrived`: the copies that logic's or feedback's pods have counted |
| `lines of SERVICE` | `written`: the lines that its pods' proxies have logged of these requests |
| a service | the version of it that took part; `none` if the answer names none |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loadgen.measurement.measurement import Observation
from loadgen.proofs.common.access import outcome

NONE = "none"
ATTEMPTS, HEADER, COPIES, LINES = "attempts of ", "header ", "copies at ", "lines of "
COUNTED = (COPIES, LINES)
"""Facets that answers do not show: how often something happened is counted elsewhere in the mesh."""


def holds(one: Observation, facet: str, value: str) -> bool:
    """Whether the facet of an answer has this value."""
    if facet != "seconds":
        return word(one, facet) == value
    side, _, bound = value.partition(" ")
    return one.latency_seconds < float(bound) if side == "under" else one.latency_seconds > float(bound)


def word(one: Observation, facet: str) -> str:
    """The value of a facet that is a word; that of `seconds` is rounded."""
    if facet == "seconds":
        return f"{one.latency_seconds:.1f}"
    if facet == "status":
        return str(one.status or NONE)
    if facet == "answer":
        return NONE if one.status is None else outcome(one)
    if facet.startswith(ATTEMPTS):
        return str(one.attempt_of(facet.removeprefix(ATTEMPTS)) or NONE)
    if facet.startswith(HEADER):
        return one.header(facet.removeprefix(HEADER)) or NONE
    return one.version_of(facet) or NONE


def summary(observations: Sequence[Observation], facet: str) -> str:
    """What was observed of a facet, the most frequent first."""
    if facet == "seconds":
        slowest = max((one.latency_seconds for one in observations), default=0.0)
        return f"the slowest took {slowest:.1f} s"
    counts = Counter(word(one, facet) for one in observations)
    return ", ".join(f"{value} {count:,}" for value, count in counts.most_common(4)) or "nothing"
