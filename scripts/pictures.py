"""Takes the screenshots in docs/images from a running mesh, which `make pictures` starts."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent.parent / "docs" / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SENTENCES = ("What a wonderful day", "The train was late again, and it was awful", "The sea was calm")


def main() -> None:
    """Submit a few sentences and take a screenshot of the page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no chromium on the PATH (Debian: apt-get install chromium)")
    with urllib.request.urlopen(f"{os.environ['LOCALMESH_URL']}/mesh") as answer:
        address = json.load(answer)["gateways"]["istio-ingressgateway"]["http"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1200, "height": 800}, reduced_motion="reduce")
        page.goto(address)
        for number, sentence in enumerate(SENTENCES, 1):
            submit(page, sentence, number)
        page.screenshot(path=IMAGES / "page.png", full_page=True)
        browser.close()
    sys.stdout.write(f"{IMAGES / 'page.png'}\n")


def submit(page: Page, sentence: str, number: int) -> None:
    """Submit a sentence and wait until the page lists it."""
    page.get_by_label("Your sentence").fill(sentence)
    page.get_by_role("button", name="Judge it").click()
    page.locator("#earlier > li").nth(number - 1).wait_for()


if __name__ == "__main__":
    main()
