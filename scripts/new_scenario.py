"""`make new-scenario NAME=my-thing`: writes the overlay, the page and the proof of a new scenario.

What it writes is complete: it can be proved, and passes all tests. Edit it, file by file.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from pathlib import Path

from tests.conformance.case import unrecorded_cases
from tests.conformance.page import PAGE, with_unrecorded
from tests.live import ROOT
from tests.scenario_lists import SKAFFOLD, TABLE_PAGE, profile_names, scenarios, with_profiles, with_table

TEMPLATES = ROOT / "scripts" / "scenario"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_RESERVED = {"base", "common"}
"""The overlay-to-be would be mistaken for istio/base, the proof for loadgen/proofs/common."""
_LONGEST = 40


def main(name: str) -> int:
    """Returns 0, or 2 if the name cannot be used."""
    if problem := problem_of(name):
        sys.stderr.write(f"{problem}\n")
        return 2
    written = [*write_files(name), *update_lists()]
    print("\n".join(str(path.relative_to(ROOT)) for path in written))
    print(f"try it: make prove SCENARIO={name}; then edit it: docs/contributing/scenario.md")
    return 0


def problem_of(name: str) -> str:
    """Why a scenario cannot have this name; empty if it can."""
    if not name:
        return "no name is given; for example: make new-scenario NAME=my-thing"
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        return (
            f"{json.dumps(name)} is not a name for a scenario: use at most {_LONGEST} lower-case letters "
            "and digits, with hyphens between words, such as my-thing"
        )
    taken = [path for path in (overlay_of(name), proof_of(name)) if path.exists()]
    if taken:
        return f'"{name}" exists already: {taken[0].relative_to(ROOT)}; choose another name'
    if name in _RESERVED | profile_names(SKAFFOLD.read_text()) or keyword.iskeyword(name):
        return f'"{name}" has another meaning here; choose another name'
    return ""


def overlay_of(name: str) -> Path:
    """The folder of the overlay."""
    return ROOT / "istio" / "overlays" / name


def proof_of(name: str) -> Path:
    """The module of the proof."""
    return ROOT / "loadgen" / "proofs" / f"{name.replace('-', '_')}.py"


def write_files(name: str) -> list[Path]:
    """Writes the files of a scenario from the templates."""
    overlay_of(name).mkdir()
    written = []
    for template in sorted(TEMPLATES.glob("*.template")):
        path = proof_of(name) if template.stem == "proof.py" else overlay_of(name) / template.stem
        title = name.replace("-", " ").capitalize()
        path.write_text(template.read_text().replace("@NAME@", name).replace("@TITLE@", title))
        written.append(path)
    return written


def update_lists() -> list[Path]:
    """Adds the scenario to the lists of all, as `make golden` does."""
    TABLE_PAGE.write_text(with_table(TABLE_PAGE.read_text(), scenarios()))
    SKAFFOLD.write_text(with_profiles(SKAFFOLD.read_text(), scenarios()))
    PAGE.write_text(with_unrecorded(PAGE.read_text(), unrecorded_cases()))
    return [TABLE_PAGE, SKAFFOLD, PAGE]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
