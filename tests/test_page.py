"""The page in a real browser, through the gateway of a real mesh."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.browser import needs_chromium, opened_page
from tests.live import overlay
from tests.proof_mesh import ProofMesh

pytestmark = [
    pytest.mark.mesh,
    pytest.mark.browser,
    pytest.mark.xdist_group("application-calm"),
    needs_chromium,
]


@pytest.fixture
def page(mesh: ProofMesh, browser: Browser) -> Iterator[Page]:
    """The page, newly opened; the test fails if the page logs an error."""
    mesh.apply(overlay("base"))
    with opened_page(browser, mesh.gateway) as opened:
        yield opened


def test_a_sentence_gets_its_polarity_and_feedback_through_the_mesh(page: Page) -> None:
    """Type a sentence, see its polarity and which pods answered, and give feedback, without an error."""
    page.get_by_label("Your sentence").fill("What a wonderful day")
    page.get_by_role("button", name="Judge it").click()
    page.locator(".judgement").wait_for()
    judged = page.locator(".verdict").inner_text()
    page.get_by_role("button", name="Yes").click()
    page.locator(".feedback-note").filter(has_text=re.compile(r"\S")).wait_for()

    assert "positive" in judged.lower()
    assert re.search(r"0\.\d+", judged)
    for name in ("frontend v1", "webapp v1", "logic v1"):
        assert name in page.locator(".trail").inner_text().lower()


def test_feedback_given_on_the_page_is_stored(page: Page, mesh: ProofMesh) -> None:
    """The feedback service returns what the page sent."""
    sentence = "A sentence for the record"
    page.get_by_label("Your sentence").fill(sentence)
    page.get_by_role("button", name="Judge it").click()
    page.locator(".judgement").wait_for()
    page.get_by_role("button", name="No").click()
    page.locator(".feedback-note").filter(has_text=re.compile(r"\S")).wait_for()

    kept = requests.get(f"{mesh.gateway}/feedback", timeout=5).json()

    assert [entry["correct"] for entry in kept if entry["sentence"] == sentence] == [False]
