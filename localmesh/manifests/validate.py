"""All that is checked about one object, in order: its kind, its shape, its sense, our support."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localmesh.manifests.kinds import is_known, is_translated, kind_problems
from localmesh.manifests.objects import name_problems
from localmesh.manifests.resources import Resource
from localmesh.manifests.rules import rule_problems
from localmesh.manifests.schema import schema_problems
from localmesh.manifests.support import support_problems
from localmesh.problems import Problem


def check(item: Resource) -> Iterator[Problem]:
    """Everything that is wrong with an object by itself."""
    yield from kind_problems(item.api_version, item.kind, item.place)
    if not is_known(item.api_version, item.kind):
        return
    yield from name_problems(item)
    misshapen = list(schema_problems(item.body, f"{item.api_version}/{item.kind}", item.place))
    yield from misshapen
    senseless = list(_unless_explained(rule_problems(item.root), misshapen))
    yield from senseless
    if is_translated(item.kind):
        yield from _unless_explained(support_problems(item.root), misshapen + senseless)


def _unless_explained(problems: Iterable[Problem], causes: list[Problem]) -> Iterator[Problem]:
    """Problems other than those that are only the consequence of another.

    A misspelt `http` also makes a VirtualService without routes: the first is the cause, the second noise.
    """
    for problem in problems:
        if not any(problem.path.contains(cause.path) for cause in causes):
            yield problem
