"""The cases of this folder and the recorded answers of a real cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
ANSWERS = FOLDER / "answers.yaml"


@dataclass(frozen=True)
class Case:
    """One object; `field` is the invalid field, if any, and `named` is how the cluster refers to it."""

    path: Path
    title: str
    field: str
    named: str

    @property
    def name(self) -> str:
        """The name of the file without its extension."""
        return self.path.stem


def cases() -> list[Case]:
    """All cases, by name."""
    return [_case(path) for path in sorted((FOLDER / "cases").glob("*.yaml"))]


def _case(path: Path) -> Case:
    head = [line[2:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    settings = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    return Case(path, head[0], settings.get("field", ""), settings.get("named", ""))


def recorded() -> dict[str, Any]:
    """The versions of the cluster, and its answer to each case: accepted, or the error message."""
    answers: dict[str, Any] = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    return answers


def deviations() -> dict[str, str]:
    """The cases in which localmesh intentionally answers differently, with the reasons."""
    return yaml.safe_load((FOLDER / "deviations.yaml").read_text(encoding="utf-8")) or {}
