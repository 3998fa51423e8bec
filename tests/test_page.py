"""The page in a real browser, through the gateway of a real mesh."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, sync_playwright

from tests.live import overlay
from tests.proof_mesh import ProofMesh

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = [
    pytest.mark.mesh,
    pytest.mark.browser,
    pytest.mark.xdist_group("application-calm"),
    pytest.mark.skipif(
        CHROMIUM is None, reason="chromium is not on the PATH (Debian: apt-get install chromium)"
    ),
]


@pytest.fixture
def page(mesh: ProofMesh) -> Iterator[Page]:
    """The page, newly opened; the test fails if the page logs an error."""
    mesh.apply(overlay("base"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        opened = browser.new_page()
        errors: list[str] = []
        opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(mesh.gateway)
        yield opened
        browser.close()
    assert errors == []


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
