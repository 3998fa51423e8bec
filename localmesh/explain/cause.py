"""The form of a cause: a sentence for people, with its place and a fix."""

from __future__ import annotations

from dataclasses import dataclass

from localmesh.explain.explanation import Reference
from localmesh.problems import Problem


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happens: a sentence, where it is written, and how to change it; each may be missing."""

    message: str
    fix: str = ""
    reference: Reference | None = None
    problem: Problem | None = None
    """The warning of the analysis that it repeats."""
    is_warning: bool = False
    """Whether it is about an object on the way, and does not explain the answer."""


def seen_text(value: str | None) -> str:
    """What a request has somewhere, in words.

    >>> seen_text("a"), seen_text(None)
    ('is "a"', 'is absent')
    """
    return "is absent" if value is None else f'is "{value}"'
