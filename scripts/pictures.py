"""Takes the screenshots in docs/images from a running mesh, which `make pictures` starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SENTENCES = ("What a wonderful day", "The train was late again, and it was awful", "The sea was calm")
API = os.environ["LOCALMESH_URL"]
SETTLING_SECONDS = 14
"""How long the live page takes until rates, durations and shares have settled after an apply."""


def main() -> None:
    """Take all screenshots."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no chromium on the PATH (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        application(browser)
        live_page(browser)
        browser.close()
    sys.stdout.write("".join(f"{path}\n" for path in sorted(IMAGES.glob("*.png"))))


def application(browser: Browser) -> None:
    """The application's page after a few sentences."""
    with urllib.request.urlopen(f"{API}/mesh") as answer:
        address = json.load(answer)["gateways"]["istio-ingressgateway"]["http"]
    page = browser.new_page(viewport={"width": 1200, "height": 800}, reduced_motion="reduce")
    page.goto(address)
    for number, sentence in enumerate(SENTENCES, 1):
        submit(page, sentence, number)
    page.screenshot(path=IMAGES / "page.png", full_page=True)
    page.close()


def submit(page: Page, sentence: str, number: int) -> None:
    """Submit a sentence and wait until the page lists it."""
    page.get_by_label("Your sentence").fill(sentence)
    page.get_by_role("button", name="Judge it").click()
    page.locator("#earlier > li").nth(number - 1).wait_for()


def live_page(browser: Browser) -> None:
    """The live page of the canary, and, in the dark theme, the details of a line with mirrored requests."""
    page = browser.new_page(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    page.goto(API)
    with traffic(page, "canary"):
        page.screenshot(path=IMAGES / "live-page.png")
    page.get_by_role("button", name="Dark", exact=True).click()
    with traffic(page, "shadow", "webapp v1 to logic v2"):
        page.screenshot(path=IMAGES / "live-page-details.png")
    page.close()


@contextmanager
def traffic(page: Page, scenario: str, line: str | None = None) -> Iterator[None]:
    """Apply a scenario, send requests, select a line if one is named; the block has its numbers."""
    apply = {"kustomizations": [str(ROOT / "istio" / "overlays" / scenario)]}
    body, headers = json.dumps(apply).encode(), {"content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{API}/mesh/apply", body, headers)).close()
    loadgen = Path(sys.executable).with_name("loadgen")
    command = [loadgen, "run", "--rate", "20", "--duration", "60s"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sending:
        if line is not None:
            page.locator(".label").and_(page.get_by_role("button", name=line)).click()
        page.wait_for_timeout(1000 * SETTLING_SECONDS)
        yield
        sending.terminate()


if __name__ == "__main__":
    main()
