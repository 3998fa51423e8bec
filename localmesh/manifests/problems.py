"""What is wrong with a manifest, and where: one form for every problem.

ManifestError          the manifests cannot be used; carries every problem that was found
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from localmesh.manifests.paths import FieldPath


class Severity(StrEnum):
    """Whether a problem stops the load or is only told."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """The object that a problem is about and the file it was written in."""

    file: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    patched_by: tuple[str, ...] = ()
    line: int | None = None

    @property
    def subject(self) -> str:
        """The object as people name it: `VirtualService sentimesh/logic`."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}".strip()

    def __str__(self) -> str:
        patched = f" (patched by {', '.join(self.patched_by)})" if self.patched_by else ""
        return f"{self.subject}{patched}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what was found where, what was expected, how to mend it."""

    code: str
    place: Place
    path: FieldPath
    message: str
    fix: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        line = f":{self.place.line}" if self.place.line is not None else ""
        head = f"{self.place.file}{line}: {self.severity} {self.code}"
        subject = str(self.place)
        where = f"{self.path}: " if self.path else ""
        return (
            f"{head}: {subject}\n" if subject else f"{head}\n"
        ) + f"  {where}{self.message}\n  fix: {self.fix}; docs/errors.md#{self.code.lower()}"

    def as_error(self) -> Problem:
        """The same problem, now one that stops the load."""
        return replace(self, severity=Severity.ERROR)


class ManifestError(Exception):
    """The manifests cannot be used as they are."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=_position))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.problems))


def _position(problem: Problem) -> tuple[object, ...]:
    place = problem.place
    path = tuple(f"{part:06}" if isinstance(part, int) else part for part in problem.path)
    return (place.file, place.line or 0, place.kind, place.namespace, place.name, path, problem.code)
