"""Intended differences with their reasons, from `deviations.yaml`; there `*` matches anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.conformance.case import HERE
from tests.conformance.compare import Difference

FILE = HERE / "deviations.yaml"
WHOLE = "(whole)"


@dataclass(frozen=True, slots=True)
class Place:
    """Fields of elements with matching names in some cases; `WHOLE`: one side does not have the element."""

    part: str
    name: str
    field: str
    case: str
    proxy: str

    def covers(self, difference: Difference) -> bool:
        """Whether a difference is at this place."""
        element = difference.element
        return (
            self.part == element.part
            and _matches(self.name, element.name)
            and _matches(self.field, difference.path or WHOLE)
            and _matches(self.case, difference.case)
            and _matches(self.proxy, element.proxy)
        )

    def __str__(self) -> str:
        where = "" if self.case == "*" else f" in {self.case}"
        return f"{self.part} {self.name} {self.field}{where}"


@dataclass(frozen=True, slots=True)
class Deviation:
    """An intended difference from Istio, its reason, and where it is visible."""

    what: str
    reason: str
    places: tuple[Place, ...]


@cache
def deviations() -> tuple[Deviation, ...]:
    """All deviations in the file."""
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(
        Deviation(entry["what"], entry["reason"], tuple(_places(entry["where"]))) for entry in entries
    )


def _places(where: Iterable[Mapping[str, Any]]) -> Iterable[Place]:
    for entry in where:
        for case in entry.get("cases", ["*"]):
            for field in entry.get("fields", [WHOLE]):
                yield Place(entry["part"], entry["name"], field, case, entry.get("proxy", "*"))


def unexplained(differences: Iterable[Difference]) -> list[Difference]:
    """The differences that no deviation covers."""
    places = [place for deviation in deviations() for place in deviation.places]
    return [difference for difference in differences if not any(place.covers(difference) for place in places)]


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*"))
