"""The page in a real browser: send a sentence, read its polarity, give feedback, see who answered."""

from __future__ import annotations

import logging
import re
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

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
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
    """Debian's chromium; without it, these tests are skipped."""
    if CHROMIUM is None:
        pytest.skip("chromium is not on the PATH")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield opened
        opened.close()


Site = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """`site("v1")` serves all four services under one origin, as the gateway does, and returns its URL."""
    with ExitStack() as stack:
        yield lambda version, **options: _serve(stack, _gateway(stack, tmp_path, version, **options))


def _gateway(
    stack: ExitStack, folder: Path, version: str, *, assets: str | None = None, error_percent: float = 0
):
    """Route as the base does; `assets` is another version that gets the requests for files."""

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
    """`open_page(address)` opens the page; errors of the browser are in `page.complaints`."""
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
    """Service, version and pod of each hop, as the page shows them."""
    return [text.split() for text in page.locator("#hops .hop").all_inner_texts()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sentence_gets_a_judgement_and_the_judgement_feedback(site, open_page, version):
    """Number, word, tone, hops, and the saved feedback."""
    page = open_page(site(version))

    judge(page, "What a wonderful day!")
    expect(page.locator(".verdict")).to_contain_text("+0.61")
    page.get_by_role("button", name="Yes").click()

    expect(page.get_by_role("status")).to_have_text("Thank you. Saved as number 1 by feedback v1.")
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


def test_a_judgement_is_shown_in_words_and_in_colour(site, open_page):
    """The page is usable without colours, and without sight."""
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
def test_a_failure_is_shown_with_the_content_of_its_problem(site, open_page, version):
    """Status, detail, request id and the version that failed, without a question for feedback."""
    page = open_page(site(version, error_percent=100))

    judge(page, "What a wonderful day!")

    alert = page.locator("#failure")
    expect(alert).to_contain_text("502 Bad Gateway")
    expect(alert).to_contain_text("logic v2 (pod logic-pod) answered 500.")
    expect(alert).to_contain_text("Request ")
    expect(page.locator(".judgement")).to_be_hidden()
    expect(page.locator("#feedback")).to_be_hidden()
    expect(page.locator("#earlier .past")).to_have_text(
        re.compile(r"^failedWhat a wonderful day!logic v2\d+ ms$")
    )
    assert hops(page)[-1] == ["logic", "v2", "logic-pod"]


def test_after_a_failure_the_next_judgement_is_shown(site, open_page):
    """The failure is no longer shown."""
    page = open_page(site("v1"))
    page.route("**/sentiment", lambda route: route.fulfill(status=503, body="no healthy upstream"), times=1)
    judge(page, "A fine day.")
    expect(page.locator("#failure")).to_contain_text("no healthy upstream")

    judge(page, "A fine day.")

    expect(page.locator(".verdict")).to_contain_text("+0.20")
    expect(page.locator("#failure")).to_be_hidden()
    expect(page.locator("#earlier .past")).to_have_count(2)


def test_a_broken_connection_is_reported(site, open_page):
    """There was no answer at all."""
    page = open_page(site("v1"))
    page.route("**/sentiment", lambda route: route.abort())

    judge(page, "A fine day.")

    expect(page.locator("#failure")).to_contain_text("No connection")


def test_feedback_that_was_not_saved_can_be_sent_again(site, open_page):
    """The page says why, and the buttons work again."""
    page = open_page(site("v1"))
    page.route("**/feedback", lambda route: route.fulfill(status=503, body="gone"), times=1)
    judge(page, "A fine day.")
    page.get_by_role("button", name="No").click()
    expect(page.get_by_role("status")).to_have_text(
        "Not saved: 503 Service Unavailable. A proxy answered (gone): the gateway, not a service."
    )

    page.get_by_role("button", name="No").click()

    expect(page.get_by_role("status")).to_contain_text("Saved as number 1")


def hold_sentences(page) -> list:
    """Hold all further requests; the test answers them from the list."""
    held = []

    def hold(route) -> None:
        held.append(route)

    page.route("**/sentiment", hold)
    return held


def boxes(page) -> dict[str, dict[str, float]]:
    """The positions of the parts that a request must not move."""
    parts = ["#sentence", ".primary", "#timing", ".stage", "#feedback", "#hops", ".legend"]
    return {part: page.locator(part).bounding_box() for part in parts}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("viewport", [None, PHONE])
def test_nothing_moves_while_a_request_hangs_and_when_it_ends(site, open_page, version, viewport):
    """Neither with the first answer nor with a failure; the running time is shown until then."""
    page = open_page(site(version), viewport)
    sentence = "A fine day."
    page.get_by_label("Your sentence").fill(sentence)
    before = boxes(page)
    judge(page, sentence)
    expect(page.locator("#earlier .past")).to_have_count(1)
    answered = boxes(page)
    held = hold_sentences(page)
    judge(page, sentence)

    expect(page.locator("#timing")).to_have_text(re.compile(r"^Waiting for an answer: 0\.[3-9] s$"))
    hanging = boxes(page)
    held[0].fulfill(status=503, body="no healthy upstream")
    expect(page.locator("#failure")).to_be_visible()

    assert [answered, hanging, boxes(page)] == [before] * 3
    expect(page.locator("#timing")).to_have_text(re.compile(r"^Failed after (\d+ ms|\d\.\d s)$"))


def test_failing_at_once_and_after_a_hang_look_different(site, open_page):
    """By the time each took, beside the failure and in the history."""
    page = open_page(site("v1"))
    page.route("**/sentiment", lambda route: route.fulfill(status=503, body="gone"), times=1)
    judge(page, "A fine day.")
    expect(page.locator("#timing")).to_have_text(re.compile(r"^Failed after \d+ ms$"))
    page.clock.install()
    held = hold_sentences(page)
    judge(page, "A fine day.")
    expect(page.locator("#timing")).to_contain_text("Waiting")

    page.clock.run_for(3000)
    held[0].fulfill(status=503, body="gone")

    expect(page.locator("#timing")).to_have_text(re.compile(r"^Failed after 3\.\d s$"))
    late, at_once = page.locator("#earlier .past-time").all_inner_texts()
    assert re.fullmatch(r"3\.\d s", late)
    assert re.fullmatch(r"\d+ ms", at_once)


PROXY_PROBLEM = {
    "title": "Bad Gateway",
    "status": 502,
    "detail": "The sidecar proxy of webapp answered 503 (no healthy upstream).",
    "request_id": "1",
    "answered_by": "sidecar proxy of webapp",
}


@pytest.mark.parametrize(
    ("answer", "by"),
    [
        (
            {
                "json": PROXY_PROBLEM,
                "content_type": "application/problem+json",
                "headers": {"served-by": "webapp/v1/a"},
            },
            "sidecar proxy of webapp",
        ),
        ({"body": "RBAC: access denied", "headers": {"x-envoy-upstream-service-time": "1"}}, "sidecar proxy"),
        ({"body": ""}, "gateway"),
    ],
)
def test_a_proxy_that_answered_is_shown_as_such(site, open_page, answer, by):
    """No service is blamed for an answer that it did not give."""
    page = open_page(site("v1"))
    page.route("**/sentiment", lambda route: route.fulfill(status=503, **answer))

    judge(page, "A fine day.")

    last = page.locator("#hops .hop").last
    expect(last).to_contain_text(by)
    expect(last).to_have_attribute("data-kind", "proxy")
    expect(page.locator("#failure")).to_contain_text(by)
    expect(page.locator("#earlier .past-by")).to_have_text(by.removeprefix("sidecar "))
    assert "logic" not in page.locator("#failure").inner_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_each_mark_has_one_meaning_and_the_legend_names_it(site, open_page, version):
    """A mark in the path looks like its mark in the legend, and the three differ."""
    page = open_page(site(version, error_percent=100))
    page.emulate_media(reduced_motion="reduce")
    judge(page, "A fine day.")
    expect(page.locator("#hops .hop")).to_have_count(3)
    look = """(element) => {
      const style = getComputedStyle(element, "::before");
      return [style.backgroundColor, style.borderRadius, style.borderColor].join();
    }"""

    legend = {entry.inner_text(): entry.evaluate(look) for entry in page.locator(".legend span").all()}
    hops_look = [hop.evaluate(look) for hop in page.locator("#hops .hop").all()]

    assert list(legend) == ["version v1", "version v2", "a proxy, not a service"]
    assert len(set(legend.values())) == 3
    assert hops_look == [legend[f"version {hop}"] for hop in [version, "v1", "v2"]]


@pytest.mark.parametrize(("version", "other"), [("v1", "v2"), ("v2", "v1")])
def test_a_page_whose_files_come_from_another_version_says_so(site, open_page, version, other):
    """The notice is visible."""
    page = open_page(site(version, assets=other))

    notice = page.locator("#mixed")

    expect(notice).to_be_visible()
    expect(notice).to_contain_text(f"This page is frontend {version}")
    expect(notice).to_contain_text(f"/static/{version}/style.css")
    expect(notice).to_contain_text(f"/static/{version}/app.js")


def test_a_consistent_page_has_no_notice(site, open_page):
    """The notice about mixed versions is hidden."""
    page = open_page(site("v1"))

    expect(page.locator("#hops .hop")).to_have_count(1)
    expect(page.locator("#mixed")).to_be_hidden()


def test_the_attempt_is_shown_when_it_was_not_the_first(site, open_page):
    """So that retries are visible."""
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
def test_it_is_usable_with_the_keyboard(site, open_page, version):
    """Tab reaches everything in reading order."""
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

    expect(page.get_by_role("status")).to_contain_text("Saved as number")
    assert order == ["sentence", "Yes"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("error_percent", [0, 100])
def test_it_fits_a_phone(site, open_page, version, error_percent):
    """Nothing is wider than the screen, and buttons are large enough to touch."""
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
    const visible = element.checkVisibility({ visibilityProperty: true });
    if (!own || !visible || element.getBoundingClientRect().width < 2) continue;
    const below = ground(element);
    const colour = rgba(getComputedStyle(element).color);
    colour[3] *= opacity(element);
    const [dark, bright] = [light(over(colour, below)), light(below)].sort((a, b) => a - b);
    found.push([(bright + 0.05) / (dark + 0.05), element.className, element.textContent.trim()]);
  }
  return found;
}"""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_text_has_enough_contrast(site, open_page, version):
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
    assert [contrast for contrast in measured if contrast[0] < 4.5] == []
