"""docs/errors.md, the page to which problems link."""

from localmesh.problems.codes import CODES
from localmesh.tests.manifests.errors_page import PAGE, WITHOUT_MANIFEST, page
from localmesh.tests.manifests.test_cases import WITHOUT_MANIFEST as WITHOUT_CASE


def test_the_errors_page_is_golden(update_golden: bool) -> None:
    """The page matches the codes and their cases; `make golden` updates it."""
    if update_golden:
        PAGE.write_text(page(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_code_has_a_section() -> None:
    """The link at the end of every problem has a target."""
    headings = {line.removeprefix("## ") for line in PAGE.read_text(encoding="utf-8").splitlines()}

    assert set(CODES) <= headings
    assert set(WITHOUT_MANIFEST) == WITHOUT_CASE
