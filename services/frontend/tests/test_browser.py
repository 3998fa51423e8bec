"""The page in a real browser: type, judge, say whether it was right, see who answered or what went wrong."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import flask
import pytest
from werkzeug.serving import make_server

from services.chassis.application import chassis_of
from services.feedback.app import FeedbackSettings
from services.feedback.app import create_app as create_feedback
from services.frontend.app import FrontendSettings
from services.frontend.app import create_app as create_frontend
from services.logic.app import LogicSettings
from services.logic.app import create_app as create_logic
from services.webapp.app import WebappSettings
from services.webapp.app import create_app as create_webapp

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

CHROMIUM = shutil.which("chromium")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
VERSIONS = ["v1", "v2"]
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium; without it these tests are skipped."""
    if CHROMIUM is None:
        pytest.skip("chromium is not on the PATH")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


Site = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """`site("v1")` serves all four services under one origin, as the gateway does; its address."""
    with ExitStack() as stack:
        yield lambda version, **options: _serve(stack, _gateway(stack, tmp_path, version, **options))


def _gateway(
    stack: ExitStack, folder: Path, version: str, *, assets: str | None = None, error_percent: float = 0
):
    """Routes as k8s/base and istio/base do; `assets` is another version that gets the requests for files."""

    def open_app(app: flask.Flask) -> flask.Flask:
        stack.enter_context(chassis_of(app).resources)
        return app

    logic_version = "v2" if error_percent else "v1"
    logic = create_logic(
        LogicSettings(version=logic_version, pod="logic-pod", fault_error_percent=error_percent)
    )
    logic_url = _serve(stack, open_app(logic))
    webapp = open_app(create_webapp(WebappSettings(pod="webapp-pod", logic_url=logic_url)))
    feedback = open_app(create_feedback(FeedbackSettings(pod="feedback-pod", data_dir=str(folder))))
    page = open_app(create_frontend(FrontendSettings(version=version, pod="frontend-pod")))
    files = open_app(create_frontend(FrontendSettings(version=assets or version, pod="frontend-pod")))

    def route(environ, start_response):
        path = environ["PATH_INFO"]
        target = {"/sentiment": webapp, "/feedback": feedback}.get(
            path, files if "/static/" in path else page
        )
        return target(environ, start_response)

    return route


def _serve(stack: ExitStack, app) -> str:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    stack.callback(stop)
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def open_page(browser):
    """`open_page(address)` opens it; what the browser complains about is in `page.complaints`."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with ExitStack() as stack:

        def open_(address: str, viewport: dict[str, int] | None = None):
            context = browser.new_context(viewport=viewport or {"width": 1280, "height": 860})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(10_000)
            page.complaints = []
            page.on("console", lambda message: page.complaints.append(message.text))
            page.on("pageerror", lambda error: page.complaints.append(str(error)))
            page.goto(address)
            return page

        yield open_


def judge(page, sentence: str) -> None:
    """Type a sentence and press Enter."""
    page.get_by_label("Your sentence").fill(sentence)
    page.keyboard.press("Enter")


def hops(page) -> list[list[str]]:
    """Service, version and pod of everyone who answered, as the page shows them."""
    return [text.split() for text in page.locator("#hops .hop").all_inner_texts()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sentence_is_judged_and_the_judgement_judged(site, open_page, version):
    """From the sentence to the thanks: number, word, tone, and everyone who answered."""
    page = open_page(site(version))

    judge(page, "What a wonderful day!")
    expect(page.locator(".verdict")).to_contain_text("+0.61")
    page.get_by_role("button", name="Yes").click()

    expect(page.get_by_role("status")).to_have_text("Thank you. Kept as number 1 by feedback v1.")
    expect(page.locator("html")).to_have_attribute("data-tone", "positive")
    assert hops(page) == [
        ["frontend", version, "frontend-pod"],
        ["webapp", "v1", "webapp-pod"],
        ["logic", "v1", "logic-pod"],
    ]
    assert page.complaints == []


JUDGEMENTS = [
    ("What a wonderful, happy day!", "Very positive", "positive", "+0.83"),
    ("Fine.", "Slightly positive", "positive", "+0.20"),
    ("The train leaves at nine.", "Neutral", "neutral", "0.00"),
    ("That is a sad story.", "Negative", "negative", "\u22120.48"),
    ("This is terrible, I hate it.", "Very negative", "negative", "\u22120.78"),
]


def test_a_judgement_is_told_in_words_as_well_as_in_colour(site, open_page):
    """Nobody has to tell red from green, or see at all."""
    page = open_page(site("v1"))

    for sentence, word, tone, number in JUDGEMENTS:
        judge(page, sentence)
        expect(page.locator(".quote")).to_have_text(sentence)
        expect(page.locator(".verdict-word")).to_have_text(word)
        expect(page.locator(".verdict-number")).to_have_text(number)
        expect(page.locator("html")).to_have_attribute("data-tone", tone)
        label = f"Polarity {number} on a scale from \u22121 to +1"
        expect(page.get_by_role("img")).to_have_attribute("aria-label", label)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_failure_is_shown_with_what_the_problem_says(site, open_page, version):
    """Status, sentence, request, and the version that failed; nothing asks whether that was right."""
    page = open_page(site(version, error_percent=100))

    judge(page, "What a wonderful day!")

    alert = page.locator("#failure")
    expect(alert).to_contain_text("502 Bad Gateway")
    expect(alert).to_contain_text("logic answered 500.")
    expect(alert).to_contain_text("Request ")
    expect(page.locator(".judgement")).to_be_hidden()
    expect(page.locator("#feedback")).to_be_hidden()
    expect(page.locator("#earlier .past")).to_have_text("failedWhat a wonderful day!logic v2")
    assert hops(page)[-1] == ["logic", "v2", "logic-pod"]


def test_after_a_failure_the_next_judgement_is_shown(site, open_page):
    """And the failure is gone."""
    page = open_page(site("v1"))
    page.route("**/sentiment", lambda route: route.fulfill(status=503, body="no healthy upstream"), times=1)
    judge(page, "A fine day.")
    expect(page.locator("#failure")).to_contain_text("no healthy upstream")

    judge(page, "A fine day.")

    expect(page.locator(".verdict")).to_contain_text("+0.20")
    expect(page.locator("#failure")).to_be_hidden()
    expect(page.locator("#earlier .past")).to_have_count(2)


def test_a_connection_that_breaks_is_told(site, open_page):
    """Not even an answer is an answer."""
    page = open_page(site("v1"))
    page.route("**/sentiment", lambda route: route.abort())

    judge(page, "A fine day.")

    expect(page.locator("#failure")).to_contain_text("No connection")


def test_feedback_that_is_not_kept_can_be_given_again(site, open_page):
    """The page says why, and the buttons work again."""
    page = open_page(site("v1"))
    page.route("**/feedback", lambda route: route.fulfill(status=503, body="gone"), times=1)
    judge(page, "A fine day.")
    page.get_by_role("button", name="No").click()
    expect(page.get_by_role("status")).to_have_text("Not kept: 503 Service Unavailable. gone")

    page.get_by_role("button", name="No").click()

    expect(page.get_by_role("status")).to_contain_text("Kept as number 1")


@pytest.mark.parametrize(("version", "other"), [("v1", "v2"), ("v2", "v1")])
def test_a_page_whose_files_come_from_another_version_says_so(site, open_page, version, other):
    """It breaks where everybody sees it."""
    page = open_page(site(version, assets=other))

    notice = page.locator("#mixed")

    expect(notice).to_be_visible()
    expect(notice).to_contain_text(f"This page is frontend {version}")
    expect(notice).to_contain_text(f"/static/{version}/style.css")
    expect(notice).to_contain_text(f"/static/{version}/app.js")


def test_a_whole_page_says_nothing_of_mixed_versions(site, open_page):
    """The notice is for those who need it."""
    page = open_page(site("v1"))

    expect(page.locator("#hops .hop")).to_have_count(1)
    expect(page.locator("#mixed")).to_be_hidden()


def test_the_attempt_is_shown_when_it_was_not_the_first(site, open_page):
    """Whoever shows retries sees them."""
    page = open_page(site("v1"))
    page.route(
        "**/sentiment",
        lambda route: route.fulfill(
            json={"sentence": "x", "polarity": 0.5},
            headers={"served-by": "webapp/v1/a, logic/v2/b;attempt=3"},
        ),
    )

    judge(page, "A fine day.")

    expect(page.locator("#hops .hop").last).to_contain_text("attempt 3")


@pytest.mark.parametrize("version", VERSIONS)
def test_it_works_with_the_keyboard_alone(site, open_page, version):
    """Everything is reached with Tab, in the order in which it is read."""
    page = open_page(site(version))
    order = []

    page.keyboard.press("Tab")
    order.append(page.evaluate("document.activeElement.id"))
    page.keyboard.type("What a wonderful day!")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict")).to_contain_text("+0.61")
    page.get_by_role("button", name="Try an example").focus()
    page.keyboard.press("Tab")
    order.append(page.evaluate("document.activeElement.textContent"))
    page.keyboard.press("Space")

    expect(page.get_by_role("status")).to_contain_text("Kept as number")
    assert order == ["sentence", "Yes"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("error_percent", [0, 100])
def test_it_fits_a_phone(site, open_page, version, error_percent):
    """Nothing is wider than the screen, and what is to be touched is large enough."""
    page = open_page(site(version, error_percent=error_percent), PHONE)
    judge(page, "W" + "o" * 200 + "w, what a wonderful day!")
    expect(page.locator(".past")).to_have_count(1)

    width = page.evaluate("document.documentElement.scrollWidth")
    heights = [
        button.bounding_box()["height"] for button in page.get_by_role("button").all() if button.is_visible()
    ]

    assert width == PHONE["width"]
    assert min(heights) >= 44


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (colour) => {
    const [r, g, b] = colour.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    return over(rgba(getComputedStyle(element).backgroundColor), ground(element.parentElement));
  };
  const opacity = (element) =>
    element ? opacity(element.parentElement) * getComputedStyle(element).opacity : 1;
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.getBoundingClientRect().width < 2) continue;
    const below = ground(element);
    const colour = rgba(getComputedStyle(element).color);
    colour[3] *= opacity(element);
    const [dark, bright] = [light(over(colour, below)), light(below)].sort((a, b) => a - b);
    found.push([(bright + 0.05) / (dark + 0.05), element.className, element.textContent.trim()]);
  }
  return found;
}"""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_text_stands_out_from_its_ground(site, open_page, version):
    """The contrast is at least 4.5 to 1 (WCAG 2.2, AA): at the start, in every tone, and in failure."""
    page = open_page(site(version))
    page.emulate_media(reduced_motion="reduce")
    expect(page.locator(".hop")).to_have_count(1)
    measured = page.evaluate(CONTRASTS)

    for number, sentence in enumerate(
        ["What a wonderful day!", "This is terrible.", "At nine.", "Not answered."]
    ):
        if sentence == "Not answered.":
            page.route("**/sentiment", lambda route: route.abort())
        judge(page, sentence)
        expect(page.locator(".past")).to_have_count(number + 1)
        page.evaluate("document.activeElement.blur()")
        measured += page.evaluate(CONTRASTS)

    assert len(measured) > 50
    assert [each for each in measured if each[0] < 4.5] == []
