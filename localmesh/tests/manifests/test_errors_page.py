"""docs/errors.md: what problems link to."""

import runpy
from pathlib import Path

from localmesh.manifests.codes import CODES

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "errors.md"


def test_the_page_is_what_the_script_makes_of_codes_and_cases():
    """If not: .venv/bin/python scripts/generate_errors_page.py"""
    script = runpy.run_path(str(ROOT / "scripts" / "generate_errors_page.py"))

    assert PAGE.read_text(encoding="utf-8") == script["page"]()


def test_every_code_has_a_section():
    """The link at the end of each problem leads somewhere."""
    headings = {line.removeprefix("## ") for line in PAGE.read_text(encoding="utf-8").splitlines()}

    assert set(CODES) <= headings
