"""The configurations that are broken on purpose, in `broken/`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "broken"
CASES = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.startswith("_"))


def head(case: Path, name: str) -> str:
    """What `# NAME: …` at the top of a case says."""
    line = next(line for line in case.read_text().splitlines() if line.startswith(f"# {name}: "))
    return line.removeprefix(f"# {name}: ")
