"""What an exercise is: a task, what must be observed when it is solved, and the mistakes people make.

The expectation is the exercise's own. Nothing is compared with YAML of a solution: any configuration with
which the mesh does what the task says passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadgen.http1 import Request

SOLUTION = "solution.yaml"
WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Expected:
    """The share of a group's requests whose `facet` is `value`: from `low` to `high`, both in 0..1."""

    facet: str
    value: str
    low: float
    high: float

    @property
    def left_to_chance(self) -> bool:
        """Whether the share is neither none nor all."""
        return 0 < self.low == self.high < 1


@dataclass(frozen=True, slots=True)
class PodPort:
    """A declared port of a service's pods, which is asked in plain text, past the gateway."""

    service: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests of one kind, and what is expected of them.

    `times` of them are sent, or as many as the expectation needs; `first` more before that are not counted.
    At most `at_once` are in progress. With `direct` they go straight to pods instead of the gateway.
    """

    name: str
    request: Request
    expected: tuple[Expected, ...]
    times: int | None = None
    first: int = 0
    at_once: int = 8
    direct: PodPort | None = None


@dataclass(frozen=True, slots=True)
class ObjectsLike:
    """Objects of a kind: in the namespace default (`elsewhere`), with a field in `spec`, with its value."""

    kind: str
    elsewhere: bool = False
    field: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong attempt that people make, recognised by what is observed, and a hint for those who made it.

    `objects` distinguish mistakes that the requests cannot tell apart, such as a policy in another namespace
    from no policy at all.
    """

    name: str
    hint: str
    seen: Mapping[str, tuple[Expected, ...]]
    objects: tuple[ObjectsLike, ...] = ()
    edit: Mapping[str, str] = field(default_factory=dict)
    """How it differs from the solution: texts and what they are replaced by; empty if it is in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One exercise; `start` is the kustomization that it begins with, `page` that of the workshop.

    `second_namespace` says that the start has objects in another namespace than the application's.
    """

    name: str
    folder: Path
    title: str
    page: int | None
    task: str
    start: Path
    hint: str
    groups: tuple[Group, ...]
    mistakes: tuple[Mistake, ...] = ()
    second_namespace: bool = False

    @property
    def solution(self) -> str:
        """The manifests that solve it, to be applied to the start: one of many solutions."""
        return (self.folder / SOLUTION).read_text(encoding="utf-8")

    def wrong_attempt(self, mistake: Mistake) -> str:
        """The manifests of a mistake, applied to the start: an edited solution, or a file."""
        if not mistake.edit:
            return (self.folder / WRONG / f"{mistake.name}.yaml").read_text(encoding="utf-8")
        either = "|".join(map(re.escape, mistake.edit))
        return re.sub(either, lambda found: mistake.edit[found[0]], self.solution)
