"""The `served-by` header: the workloads that answered a request, one element per hop, outermost first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

HEADER = "served-by"

# Longer than any chain of this application; it limits what an upstream can add to our answers.
MAX_HOPS = 32

_ELEMENT = re.compile(r"[\w.-]+/[\w.-]+/[\w.-]+(;attempt=[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hop:
    """One workload that answered; `attempt` is the number its proxy counted, if it has a proxy."""

    service: str
    version: str
    pod: str
    attempt: int | None = None

    def __str__(self) -> str:
        """The element of `served-by`, such as `logic/v2/logic-v2-55f9;attempt=2`."""
        name = f"{self.service}/{self.version}/{self.pod}"
        return name if self.attempt is None else f"{name};attempt={self.attempt}"


def attempt(text: object) -> int | None:
    """The attempt, from 1, in an `x-envoy-attempt-count` header; None if it is absent or not a number."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text) or None
    return None


def elements(header: str | None) -> list[str]:
    """The well-formed elements of a `served-by` header that an upstream sent."""
    if not header:
        return []
    return [element for element in map(str.strip, header.split(",")) if _ELEMENT.fullmatch(element)][
        :MAX_HOPS
    ]


def served_by(own: Hop, upstream: Iterable[str] = ()) -> str:
    """The value of `served-by`: this hop, then the elements of the upstreams that it called."""
    return ", ".join((str(own), *upstream))
