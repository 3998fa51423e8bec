"""What is wrong with a manifest, and where: one form for every problem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from localmesh.errors import InvalidInputError
from localmesh.problems.paths import FieldPath

_WHOLE_OBJECT = FieldPath()
_PAGE = "docs/errors.md"
_REPOSITORY = "https://github.com/sentimesh/sentimesh/blob/main"
_IN_A_CHECKOUT = Path(__file__).parents[2].joinpath(_PAGE).is_file()


class Severity(StrEnum):
    """Whether a problem makes loading fail or is only reported."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """The object that a problem is about, and the file that defines it.

    `line` (from 1) is unknown where patches changed the lines; in a problem it is the line of the field.
    If a patch set the field, `file` is the patch, and `patch_of` the file of the object.
    """

    file: str
    kind: str = ""
    namespace: str = ""
    name: str = ""
    patched_by: tuple[str, ...] = ()
    line: int | None = None
    group: str = ""
    patch_of: str = ""

    @property
    def subject(self) -> str:
        """Kind, namespace and name: `VirtualService sentimesh/logic`."""
        name = f"{self.namespace}/{self.name}" if self.namespace and self.name else self.name
        return f"{self.kind} {name}".strip()

    @property
    def position(self) -> str:
        """File and line in the form that editors understand: `istio/base/gateway.yaml:7`."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        if self.patch_of:
            return f"{self.subject} (patch of {self.patch_of})"
        if self.patched_by:
            return f"{self.subject} (patched by {', '.join(self.patched_by)})"
        return self.subject


def section_of(code: str) -> str:
    """Where the section about a code is.

    >>> section_of("SM101")
    'docs/errors.md#sm101'
    """
    return page_at(f"{_PAGE}#{code.lower()}")


def page_at(path: str) -> str:
    """Where a page of the documentation is: in a checkout of the project a file, elsewhere an address."""
    return path if _IN_A_CHECKOUT else f"{_REPOSITORY}/{path}"


def address_of(code: str) -> str:
    """The address of the section about a code."""
    return f"{_REPOSITORY}/{_PAGE}#{code.lower()}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what was found and where, what was expected, how to fix it."""

    code: str
    place: Place
    path: FieldPath
    message: str
    fix: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        head = f"{self.place.position}: {self.severity} {self.code}"
        subject = f": {self.place}" if self.place.kind else ""
        field = f"{self.path}: " if self.path else ""
        return f"{head}{subject}\n  {field}{self.message}\n  fix: {self.fix}; {section_of(self.code)}"

    def as_error(self) -> Problem:
        """The same problem as an error."""
        return replace(self, severity=Severity.ERROR)

    def on_line(self, line: int | None) -> Problem:
        """The same problem with the line of its field."""
        return replace(self, place=replace(self.place, line=line))


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of problem: its number and title, and the templates of its message and its remedy."""

    number: str
    title: str
    message: str
    fix: str

    @property
    def severity(self) -> Severity:
        """SM2xx are warnings: Istio accepts the object, and it does not work."""
        return Severity.WARNING if self.number.startswith("SM2") else Severity.ERROR

    def at(self, place: Place, path: FieldPath = _WHOLE_OBJECT, **values: object) -> Problem:
        """A problem of this kind at a place; `values` fill the templates."""
        return Problem(
            code=self.number,
            place=place,
            path=path,
            message=self.message.format_map(values),
            fix=self.fix.format_map(values),
            severity=self.severity,
        )


class ManifestError(InvalidInputError):
    """The manifests cannot be used; carries every problem that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = by_place(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.problems))


def by_place(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems sorted by file, line, object and field."""
    return tuple(sorted(problems, key=_position))


def _position(problem: Problem) -> tuple[object, ...]:
    place = problem.place
    path = tuple((isinstance(part, str), part) for part in problem.path)
    return (place.file, place.line or 0, place.kind, place.namespace, place.name, path, problem.code)


@dataclass(frozen=True, slots=True)
class ProblemCollector:
    """The problems found so far in the object at `place`, so that all of them are reported at once."""

    place: Place
    problems: list[Problem] = field(default_factory=list)

    def add(self, code: Code, path: FieldPath, **values: object) -> None:
        """Add a problem; `values` fill the code's templates."""
        self.problems.append(code.at(self.place, path, **values))
