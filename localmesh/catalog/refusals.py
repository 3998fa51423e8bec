"""What cannot be done with one resource, collected so that all of it is told at once."""

from __future__ import annotations

from dataclasses import dataclass, field

from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.codes import Code


@dataclass(frozen=True, slots=True)
class Refusals:
    """The problems found so far in the resource at `place`."""

    place: Place
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: Code, path: FieldPath, **values: object) -> None:
        """Note one more problem; `values` fill the code's templates."""
        self.problems.append(code.at(self.place, path, **values))
