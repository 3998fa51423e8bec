"""Conditions in the status of objects, in the words of istiod.

istiod: pilot/pkg/config/kube/gateway/conditions.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was not accepted, resolved or programmed."""

    reason: str
    message: str

    def joined(self, other: Failure | None) -> Failure:
        """This failure, whose message another of the same object is added to."""
        return self if other is None else Failure(self.reason, f"{self.message}; {other.message}")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: what it says, and its failure if it has one, which inverts its status."""

    reason: str
    message: str
    holds: bool = True
    failure: Failure | None = None

    def failing(self, failure: Failure | None) -> Condition:
        """The same condition with a failure, if there is one."""
        return Condition(self.reason, self.message, self.holds, failure or self.failure)


def conditions(by_type: Mapping[str, Condition], generation: int = 1) -> list[Json]:
    """The conditions by type, as istiod adds them; when each last changed is not known here."""
    return [_condition(name, by_type[name], generation) for name in sorted(by_type)]


def _condition(name: str, condition: Condition, generation: int) -> Json:
    failure = condition.failure
    return {
        "type": name,
        "status": "True" if condition.holds is (failure is None) else "False",
        "observedGeneration": generation,
        "reason": failure.reason if failure else condition.reason,
        "message": failure.message if failure else condition.message,
    }


def listed(words: list[str]) -> str:
    """Words as istiod enumerates them.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b, and c')
    """
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"
