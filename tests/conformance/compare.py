"""The comparison, field by field, of localmesh's configuration with Istio's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.conformance.case import Case
from tests.conformance.elements import Elements, Name
from tests.conformance.localmesh_side import localmesh_elements
from tests.conformance.recorded import read

ABSENT = "(absent)"
_GATEWAY = "istio-ingressgateway.istio-system"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs; `path` is empty if a whole element is missing on one side."""

    case: str
    element: Name
    path: str
    istio: Any
    localmesh: Any

    def __str__(self) -> str:
        place = f"{self.element} {self.path or '(whole)'}"
        return f"{place}\n    istio:     {self.istio}\n    localmesh: {self.localmesh}"


@cache
def differences(case: Case) -> tuple[Difference, ...]:
    """All differences of a case. Raises NotRecordedError or, for a rejected input, ManifestError."""
    return tuple(_differences(case.name, *compared(case)))


@cache
def compared(case: Case) -> tuple[Elements, Elements]:
    """The elements of Istio and of localmesh that are compared.

    Istio's gateway runs even if no Gateway selects it; it is then excluded, as it does not listen.
    """
    istio, ours = read(case).elements, localmesh_elements(case.resources())
    proxies = {name.proxy for name in ours}
    relevant = {name: istio[name] for name in istio if name.proxy != _GATEWAY or name.proxy in proxies}
    return relevant, ours


def _differences(case: str, istio: Elements, ours: Elements) -> Iterator[Difference]:
    for name in sorted(istio.keys() | ours.keys()):
        theirs, own = istio.get(name, ABSENT), ours.get(name, ABSENT)
        if ABSENT in (theirs, own):
            yield Difference(case, name, "", _short(theirs), _short(own))
            continue
        for path, left, right in fields(theirs, own):
            yield Difference(case, name, path, left, right)


def _short(value: Any) -> Any:
    return value if value == ABSENT else "(present)"


def fields(left: Any, right: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The innermost fields that differ; lists of different lengths differ as a whole.

    >>> list(fields({"a": [{"b": 1}], "c": 2}, {"a": [{"b": 3}]}))
    [('a[0].b', 1, 3), ('c', 2, '(absent)')]
    """
    if left == right:
        return
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            below = f"{path}.{key}" if path else str(key)
            yield from fields(left.get(key, ABSENT), right.get(key, ABSENT), below)
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from fields(one, other, f"{path}[{index}]")
    else:
        yield path, left, right


def field_count(value: Any) -> int:
    """The number of innermost fields.

    >>> field_count({"a": [{"b": 1}, 2], "c": {}})
    3
    """
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(field_count, below)) or 1
