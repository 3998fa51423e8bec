"""What PromQL queries ask for, held against the series of an exposition; values do not matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]
Series = tuple[str, Labels]
"""The name and the labels of a sample."""

_METRIC = re.compile(r'\b((?:istio|envoy|sentimesh|process)_\w+)\s*(?:\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\})?')
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^()]*)\)")


@dataclass(frozen=True)
class Selector:
    """A metric and the conditions on its labels."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]

    def selects(self, name: str, labels: Labels) -> bool:
        """Whether it selects a series; as in Prometheus, a label that is not there is empty."""
        return name == self.metric and all(
            _holds(operator, value, labels.get(label, "")) for label, operator, value in self.matchers
        )

    def __str__(self) -> str:
        matchers = ", ".join(f'{label}{operator}"{value}"' for label, operator, value in self.matchers)
        return f"{self.metric}{{{matchers}}}"


def selectors(query: str) -> Iterator[Selector]:
    """The selectors of a query, in order.

    >>> [str(found) for found in selectors('sum(rate(istio_requests_total{code!~"5.*"}[1m])) by (le)')]
    ['istio_requests_total{code!~"5.*"}']
    """
    for metric, conditions in _METRIC.findall(query):
        yield Selector(metric, tuple(_MATCHER.findall(conditions)))


def groupings(query: str) -> set[str]:
    """The labels by which a query groups.

    >>> sorted(groupings('sum by (a, b) (x) / on (c) y'))
    ['a', 'b', 'c']
    """
    return {name.strip() for group in _GROUPING.findall(query) for name in group.split(",")}


def series(exposition: str) -> list[Series]:
    """The samples of an exposition, without their values."""
    families = text_string_to_metric_families(exposition)
    return [(sample.name, sample.labels) for family in families for sample in family.samples]


def unanswered(query: str, found: Iterable[Series], *, optional: Iterable[str] = ()) -> list[str]:
    """What keeps a query from its answer: selectors that select nothing, labels that are not there.

    A label with an empty value is one that is not there, except where it is `optional`.
    """
    found = list(found)
    problems = []
    for selector in selectors(query):
        selected = [labels for name, labels in found if selector.selects(name, labels)]
        if not selected:
            problems.append(f"no series: {selector}")
        wanted = groupings(query) - set(optional)
        missing = {name for name in wanted for labels in selected if not labels.get(name)}
        problems += [f"no label {name}: {selector}" for name in sorted(missing)]
    return problems


def _holds(operator: str, expected: str, value: str) -> bool:
    """Regular expressions are anchored."""
    is_equal = bool(re.fullmatch(expected, value)) if operator.endswith("~") else value == expected
    return is_equal != operator.startswith("!")
