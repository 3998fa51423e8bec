"""Every problem that localmesh can find in manifests: one table of codes.

SM0xx reading · SM1xx what Kubernetes or Istio refuses · SM2xx what is accepted but cannot work ·
SM3xx what Istio can and localmesh cannot (yet).
"""

from __future__ import annotations

from dataclasses import dataclass

from localmesh.manifests.paths import FieldPath
from localmesh.manifests.problems import Place, Problem, Severity


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem: its number, its title, and the templates of its message and remedy."""

    number: str
    title: str
    message: str
    fix: str
    severity: Severity = Severity.ERROR

    def at(self, place: Place, path: FieldPath = FieldPath(), **values: object) -> Problem:  # noqa: B008
        """This problem at one place; `values` fill the templates."""
        return Problem(
            code=self.number,
            place=place,
            path=path,
            message=self.message.format(**values),
            fix=self.fix.format(**values),
            severity=self.severity,
        )


UNREADABLE = Code("SM001", "A file cannot be read", "cannot be read: {reason}", "{remedy}")
MALFORMED = Code("SM002", "The text is not YAML", "not YAML: {reason}", "correct the YAML")
DUPLICATE_KEY = Code(
    "SM003", "A key is written twice", 'the key "{key}" is written twice', "keep one of them"
)
KUSTOMIZE_FAILED = Code("SM004", "kustomize refuses the folder", "kustomize: {reason}", "{remedy}")
KUSTOMIZE_MISSING = Code(
    "SM005",
    "kustomize is not installed",
    "neither kustomize nor kubectl is on the PATH",
    "install kustomize (https://kubectl.docs.kubernetes.io/installation/kustomize) or kubectl, or name "
    "either by its path in the environment variable SENTIMESH_KUSTOMIZE",
)
NOT_AN_OBJECT = Code(
    "SM006", "A document is not a Kubernetes object", "{found}", "write an object with {expected}"
)
