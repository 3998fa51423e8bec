"""One kind of problem."""

from __future__ import annotations

from dataclasses import dataclass

from localmesh.problems.paths import FieldPath
from localmesh.problems.problem import Place, Problem, Severity

_WHOLE_OBJECT = FieldPath()


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem: number, title, and the templates of its message and of its remedy."""

    number: str
    title: str
    message: str
    fix: str

    @property
    def severity(self) -> Severity:
        """SM2xx are warnings: Istio accepts it, and it does not work."""
        return Severity.WARNING if self.number.startswith("SM2") else Severity.ERROR

    def at(self, place: Place, path: FieldPath = _WHOLE_OBJECT, **values: object) -> Problem:
        """This problem at one place; `values` fill the templates."""
        return Problem(
            code=self.number,
            place=place,
            path=path,
            message=self.message.format_map(values),
            fix=self.fix.format_map(values),
            severity=self.severity,
        )
