"""The `served-by` header of answers: the workloads that a request passed, outermost first."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = b"served-by"


@dataclass(frozen=True, slots=True)
class Hop:
    """One element: the workload that answered, and the attempt if the caller's proxy counts attempts."""

    service: str
    version: str
    pod: str
    attempt: int | None = None


def hops(header: bytes | None) -> tuple[Hop, ...]:
    """The hops in the header; elements that are not of the form service/version/pod are left out.

    >>> hops(b"webapp/v1/webapp-v1-7d4f, logic/v2/logic-v2-55f9;attempt=2")[1]
    Hop(service='logic', version='v2', pod='logic-v2-55f9', attempt=2)
    """
    elements = (header or b"").decode("latin-1").split(",")
    parsed = (_hop(element.strip()) for element in elements)
    return tuple(hop for hop in parsed if hop is not None)


def _hop(element: str) -> Hop | None:
    identity, *parameters = element.split(";")
    parts = identity.strip().split("/")
    if len(parts) != 3 or not all(parts):
        return None
    return Hop(parts[0], parts[1], parts[2], _attempt(parameters))


def _attempt(parameters: list[str]) -> int | None:
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "attempt" and value.isascii() and value.isdigit():
            return int(value)
    return None
