"""The `served-by` header: which workload answered, and through whom, one element per hop, outermost first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

HEADER = "served-by"

# A longer chain than any mesh of this application has; it bounds what an upstream can make us repeat.
MOST_HOPS = 32

_ELEMENT = re.compile(r"[\w.-]+/[\w.-]+/[\w.-]+(;attempt=[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hop:
    """One workload that answered; `attempt` is the try that the proxy in front of it counted, if one did."""

    service: str
    version: str
    pod: str
    attempt: int | None = None

    def __str__(self) -> str:
        """The element of `served-by`, such as `logic/v2/logic-v2-55f9;attempt=2`."""
        name = f"{self.service}/{self.version}/{self.pod}"
        return name if self.attempt is None else f"{name};attempt={self.attempt}"


def attempt(text: object) -> int | None:
    """The try, from 1, that an `x-envoy-attempt-count` header counts; None when it is absent or no number."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text) or None
    return None


def elements(header: str | None) -> list[str]:
    """The elements of a `served-by` header that an upstream sent; what is not well formed is left out."""
    if not header:
        return []
    return [element for element in map(str.strip, header.split(",")) if _ELEMENT.fullmatch(element)][
        :MOST_HOPS
    ]


def served_by(own: Hop, upstream: Iterable[str] = ()) -> str:
    """The value of `served-by`: this hop, then what the upstreams it called said of themselves."""
    return ", ".join((str(own), *upstream))
