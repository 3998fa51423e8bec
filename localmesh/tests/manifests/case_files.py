"""The case files: small manifests with the expected problem on the line that causes it.

`subset: v3 # E: SM203 part of the message` expects an error, `# W:` a warning. The comment at the top
explains the case and becomes the text of docs/errors.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load_text
from localmesh.problems import ManifestError, Problem, Severity

FOLDER = Path(__file__).parent / "cases"

_EXPECTATION = re.compile(r" # (?P<severity>[EW]): (?P<code>SM\d{3})(?: (?P<words>.*?))?(?= # [EW]: |$)")
_SEVERITIES = {"E": Severity.ERROR, "W": Severity.WARNING}


@dataclass(frozen=True)
class Expectation:
    """A problem that is expected on a line."""

    line: int
    severity: Severity
    code: str
    words: str

    def matches(self, problem: Problem) -> bool:
        """Whether a problem is the expected one."""
        position = (problem.place.line, problem.severity, problem.code)
        return position == (self.line, self.severity, self.code) and self.words in problem.message


@dataclass(frozen=True)
class Case:
    """One case file."""

    path: Path

    @property
    def text(self) -> str:
        """The text of the file."""
        return self.path.read_text(encoding="utf-8")

    @property
    def explanation(self) -> str:
        """The comment at the top."""
        lines = self.text.splitlines()
        top = lines[: next(number for number, line in enumerate(lines) if not line.startswith("# "))]
        return " ".join(line.removeprefix("# ") for line in top)

    @property
    def manifest(self) -> str:
        """The manifest without the explanation and without expectations."""
        lines = self.text.splitlines()
        body = lines[next(number for number, line in enumerate(lines) if not line.startswith("# ")) :]
        return "\n".join(_EXPECTATION.sub("", line) for line in body) + "\n"

    @property
    def expected(self) -> list[Expectation]:
        """The problems that the comments expect."""
        return [
            Expectation(number, _SEVERITIES[match["severity"]], match["code"], match["words"] or "")
            for number, line in enumerate(self.text.splitlines(), start=1)
            for match in _EXPECTATION.finditer(line)
        ]


def cases() -> list[Case]:
    """All case files."""
    return [Case(path) for path in sorted(FOLDER.rglob("*.yaml"))]


def problems(text: str, file: str) -> tuple[Problem, ...]:
    """All errors or warnings about a manifest."""
    try:
        return analyze_manifests(load_text(text, file))
    except ManifestError as error:
        return error.problems
