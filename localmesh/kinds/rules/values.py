"""Ports and quantities: values of Kubernetes that several kinds have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

HIGHEST = 65535

_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*\Z")
_LONGEST_NAME = 15
_NAME_WORDS = "at most 15 lower-case letters, digits and single -, with a letter among them"


def port_number(port: Field) -> Iterator[Problem]:
    """A port number is in range."""
    if port.integer is not None and not 1 <= port.integer <= HIGHEST:
        yield port.problem(
            invalid.BAD_PORT, expected=f"a port from 1 to {HIGHEST}", remedy="write a number in this range"
        )


def port_name(name: Field) -> Iterator[Problem]:
    """The name of a container port is valid (RFC 6335)."""
    if name.text and not (len(name.text) <= _LONGEST_NAME and _NAME.match(name.text)):
        yield name.problem(invalid.BAD_PORT, expected=_NAME_WORDS, remedy="choose another name")


def port_number_or_name(port: Field) -> Iterator[Problem]:
    """A port given by its number or its name is valid."""
    yield from port_number(port)
    yield from port_name(port)


_QUANTITY = re.compile(r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?\Z")


def quantity(amount: Field) -> Iterator[Problem]:
    """A quantity is valid and not negative."""
    if amount.text is not None:
        is_fine = _QUANTITY.match(amount.text) is not None
    else:
        is_fine = amount.number is None or amount.number >= 0
    if not is_fine:
        yield amount.problem(
            invalid.OUT_OF_RANGE,
            expected="a quantity such as 100m, 0.5, 64Mi or 1G",
            remedy="write a number, with one of the units m, k, M, G, T, Ki, Mi, Gi and Ti if needed",
        )
