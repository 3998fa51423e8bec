"""Differences that are meant, with their reasons: `deviations.yaml`, where `*` stands for anything."""

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
    """Fields of elements by one name, in certain cases; `WHOLE` is an element that one side has not got."""

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
    """What localmesh does otherwise than Istio, why, and where that shows."""

    what: str
    reason: str
    places: tuple[Place, ...]


@cache
def deviations() -> tuple[Deviation, ...]:
    """All of them, as they are written down."""
    written = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(Deviation(each["what"], each["reason"], tuple(_places(each["where"]))) for each in written)


def _places(where: Iterable[Mapping[str, Any]]) -> Iterable[Place]:
    for each in where:
        for case in each.get("cases", ["*"]):
            for field in each.get("fields", [WHOLE]):
                yield Place(each["part"], each["name"], field, case, each.get("proxy", "*"))


def unexplained(differences: Iterable[Difference]) -> list[Difference]:
    """Differences that nobody meant."""
    places = [place for deviation in deviations() for place in deviation.places]
    return [each for each in differences if not any(place.covers(each) for place in places)]


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*"))
