"""Checks of single objects: their problems are kept, because an apply leaves most objects as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, wraps

from localmesh.manifests import Resource
from localmesh.problems import Problem

_MOST_OBJECTS = 20_000
"""Twice the objects of a mesh of 3,000 Services: enough for those of two applies."""


def once_per_object(
    check: Callable[[Resource], Iterator[Problem]],
) -> Callable[[Resource], tuple[Problem, ...]]:
    """The same check, which looks at each object once; the object alone must decide what it finds.

    Resources are never changed, and an unchanged object is the same resource after an apply.
    """

    @wraps(check)
    @lru_cache(_MOST_OBJECTS)
    def cached(resource: Resource) -> tuple[Problem, ...]:
        return tuple(check(resource))

    return cached
