"""Routes that no request reaches, because an earlier one takes all their requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.catalog import Catalog
from localmesh.catalog.virtual_services import takes_every_path
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field

Conditions = Mapping[tuple[str, ...], Any]

_URI = ("uri",)
_GATEWAYS = ("gateways",)


def unreachable_routes(catalog: Catalog) -> Iterator[Problem]:
    """Matches and routes that come after one that covers them."""
    for resource in catalog.objects.of(VIRTUAL_SERVICE):
        yield from _routes(resource.root.get("spec", "http"))


def _routes(routes: Field) -> Iterator[Problem]:
    earlier: list[tuple[Field, Conditions]] = []
    for route in routes.items():
        matches = list(route.get("match").items())
        for field in matches or [route]:
            conditions = _conditions(field) if matches else {}
            taker = next((other for other, known in earlier if covers(known, conditions)), None)
            if taker is not None:
                takes = "all its requests" if matches else "all requests"
                yield field.problem(warnings.UNREACHABLE_ROUTE, earlier=taker.path, reason=takes)
            elif not route.get("delegate"):  # requests that a delegate does not match go on to later routes
                earlier.append((field, conditions))


def _conditions(match: Field) -> Conditions:
    """The conditions of a match, one entry each."""
    conditions: dict[tuple[str, ...], Any] = {}
    for name, field in match.entries():
        if name in {"name", "ignoreUriCase", "statPrefix"} or not field:
            continue
        if name == "uri" and takes_every_path(field.value):
            continue
        if name in {"headers", "withoutHeaders", "queryParams", "sourceLabels"}:
            conditions |= {(name, key): condition.value for key, condition in field.entries()}
        elif name == "uri":
            conditions[_URI] = (field.value, match.get("ignoreUriCase").value is True)
        else:
            conditions[name,] = field.value
    return conditions


def covers(earlier: Conditions, later: Conditions) -> bool:
    """Whether the earlier match takes all that the later one would: its conditions follow from those."""
    return all(key in later and _follows(key, value, later[key]) for key, value in earlier.items())


def _follows(key: tuple[str, ...], earlier: Any, later: Any) -> bool:
    if key == _GATEWAYS:
        return set(later) <= set(earlier)
    return bool(_uri_follows(earlier, later) if key == _URI else earlier == later)


def _uri_follows(earlier: tuple[Any, bool], later: tuple[Any, bool]) -> bool:
    (first, first_ignores_case), (second, second_ignores_case) = earlier, later
    if second_ignores_case and not first_ignores_case:
        return False
    prefix = first.get("prefix")
    begins = second.get("exact", second.get("prefix"))
    if prefix is None or begins is None:
        return bool(first == second)
    if first_ignores_case:
        prefix, begins = prefix.lower(), begins.lower()
    return bool(begins.startswith(prefix))
