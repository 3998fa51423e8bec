"""The live page in a real browser: the picture is right for what is configured and for what happens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import needs_chromium, opened_page
from tests.live import overlay
from tests.proof_mesh import ProofMesh, edited

pytestmark = [
    pytest.mark.mesh,
    pytest.mark.browser,
    pytest.mark.xdist_group("live-page"),
    needs_chromium,
]

SENTENCE = {"sentence": "The sea was calm"}


@pytest.fixture(scope="module")
def page(mesh: ProofMesh, browser: Browser) -> Iterator[Page]:
    """The live page, which stays open for all tests, as it does for people."""
    mesh.apply(overlay("base"))
    with opened_page(browser, mesh.api) as opened:
        yield opened


def line(page: Page, source: str, target: str) -> Locator:
    """The label of the line between two nodes."""
    return page.locator(".label").and_(page.get_by_role("button", name=re.compile(f"^{source} to {target},")))


def node(page: Page, name: str) -> Locator:
    """A node."""
    return page.locator(".node").and_(page.get_by_role("button", name=re.compile(f"^{name},")))


@contextmanager
def sending(mesh: ProofMesh, headers: Mapping[str, str] | None = None, at_once: int = 4) -> Iterator[None]:
    """Sends sentences again and again, until the block is left."""
    busy = [True]

    def work() -> None:
        while busy:
            requests.post(f"{mesh.gateway}/sentiment", json=SENTENCE, headers=headers, timeout=10)

    with ThreadPoolExecutor(at_once) as threads:
        for _ in range(at_once):
            threads.submit(work)
        try:
            yield
        finally:
            busy.clear()


def test_without_requests_the_page_says_how_to_send_some(page: Page) -> None:
    """The workloads and the configured lines are there, without numbers."""
    expect(page.locator("#hint")).to_contain_text("loadgen run")
    expect(node(page, "webapp v1")).to_be_visible()
    expect(line(page, "istio-ingressgateway", "webapp v1")).to_contain_text("no requests")


def test_a_canary_has_expected_beside_observed_shares(page: Page, mesh: ProofMesh) -> None:
    """With the rates of both versions, the errors of the faulty one, and mTLS."""
    mesh.apply(overlay("canary"))
    faulty = line(page, "webapp v1", "logic v2")

    with sending(mesh):
        expect(faulty).to_contain_text("expected 20 %")
        expect(faulty).to_contain_text(re.compile(r"observed \d"), timeout=20_000)
        expect(line(page, "webapp v1", "logic v1")).to_contain_text(re.compile(r"[1-9][\d.]* req/s"))
        expect(faulty).to_contain_text("5xx", timeout=20_000)

    assert "mTLS" in str(faulty.get_attribute("aria-label"))
    expect(page.locator("#hint")).to_be_hidden()


def test_a_changed_weight_is_seen_at_once(page: Page, mesh: ProofMesh) -> None:
    """The expected share within 1.5 s of the answer to the apply, which is listed as a change."""

    def half(body: dict) -> None:
        for destination in body["spec"]["http"][0]["route"]:
            destination["weight"] = 50

    mesh.apply(overlay("canary"))
    expect(line(page, "webapp v1", "logic v2")).to_contain_text("expected 20 %")
    mesh.apply(edited(overlay("canary"), "VirtualService", "logic", half))

    expect(line(page, "webapp v1", "logic v2")).to_contain_text("expected 50 %", timeout=1500)
    page.get_by_role("tab", name="Changes").click()
    expect(page.locator("#changes li").first).to_contain_text("changed: VirtualService sentimesh/logic")


def test_mirrored_requests_are_marked_as_copies(page: Page, mesh: ProofMesh) -> None:
    """The line is dashed, and its label says copies instead of requests."""
    mesh.apply(overlay("shadow"))

    with sending(mesh):
        expect(line(page, "webapp v1", "logic v2")).to_contain_text("copies/s", timeout=20_000)

    expect(line(page, "webapp v1", "logic v2")).to_contain_text("mirrored copies of 100 %")
    expect(page.locator(".edge.copies")).to_have_count(1)


def test_retries_are_counted_beside_requests(page: Page, mesh: ProofMesh) -> None:
    """At the line to the version that fails."""
    mesh.apply(overlay("retry"))

    with sending(mesh):
        expect(line(page, "webapp v1", "logic v2")).to_contain_text("↻", timeout=20_000)


def test_injected_faults_are_marked(page: Page, mesh: ProofMesh) -> None:
    """Their odds at the line, how many happen at the caller, and their conditions in the details."""
    mesh.apply(overlay("fault-injection"))
    faulty = line(page, "webapp v1", "logic v1")

    with sending(mesh, {"end-user": "tester"}):
        expect(faulty).to_contain_text("fault: abort with 503, 25 %")
        expect(node(page, "webapp v1")).to_contain_text(re.compile(r"/s (aborted|delayed)"), timeout=20_000)
    faulty.click()

    expect(page.locator("#details .rule").first).to_contain_text("VirtualService sentimesh/logic, spec.http[")


def test_an_open_circuit_is_marked(page: Page, mesh: ProofMesh) -> None:
    """With the rate of refused requests."""
    mesh.apply(overlay("circuit-breaker"))

    with sending(mesh, at_once=24):
        expect(page.locator(".label.active .note.alert")).to_contain_text("circuit open:", timeout=20_000)


def test_an_ejected_pod_is_marked(page: Page, mesh: ProofMesh) -> None:
    """At the pod, as its caller sees it."""
    mesh.apply(overlay("outlier-detection"))

    with sending(mesh):
        expect(node(page, "logic v1-sick")).to_contain_text("ejected", timeout=20_000)


def test_strict_mtls_is_marked(page: Page, mesh: ProofMesh) -> None:
    """At each workload that accepts nothing else, with the policy in its details."""
    mesh.apply(overlay("mtls-strict"))

    expect(node(page, "logic v1")).to_contain_text("mTLS only")
    node(page, "logic v1").click()
    expect(page.locator("#details .rules")).to_contain_text("PeerAuthentication")


def test_an_envoy_that_died_is_seen(page: Page, mesh: ProofMesh) -> None:
    """The details count its restarts, and what the new one counts is shown as before."""
    mesh.apply(overlay("base"))
    pods = requests.get(f"{mesh.api}/mesh", timeout=5).json()["pods"]
    admin = next(pod["envoyAdmin"] for pod in pods if pod["workload"] == "webapp-v1")
    node(page, "webapp v1").click()
    requests.post(f"{admin}/quitquitquit", timeout=5)

    expect(page.locator("#details table").first).to_contain_text("1 restart", timeout=20_000)
    with sending(mesh):
        expect(line(page, "webapp v1", "logic v1")).to_contain_text(
            re.compile(r"[1-9][\d.]* req/s"), timeout=20_000
        )


def test_a_request_shows_its_hops(page: Page, mesh: ProofMesh) -> None:
    """Sent by the page through the gateway, with the headers that were typed."""
    mesh.apply(overlay("user-routing"))
    page.get_by_role("tab", name="Request").click()
    page.get_by_role("button", name="Add a header").click()
    page.get_by_label("Name of the header").last.fill("user-group")
    page.get_by_label("Value of the header").last.fill("external")
    page.get_by_role("button", name="Send through the gateway").click()

    expect(page.locator(".answers .hops li")).to_have_text(["gateway", "webapp v1", "logic v1"])


def test_requests_are_listed_as_they_come_with_the_spans_of_their_traces(page: Page, mesh: ProofMesh) -> None:
    """The gateway, webapp and logic, each below its caller."""
    mesh.apply(overlay("base"))
    node(page, "logic v1").click()
    page.get_by_role("tab", name="Traces").click()
    rows = page.locator("#traces .rows button")

    with sending(mesh):
        for _ in range(2):
            newest = rows.first.text_content() if rows.count() else ""
            expect(rows.first).not_to_have_text(str(newest), timeout=20_000)
    page.get_by_role("button", name="Pause").click()
    rows.first.click()

    services = page.locator("#traces .waterfall strong")
    expect(services.first).to_have_text("istio-ingressgateway")
    expect(services.last).to_have_text("logic")


def test_verdicts_of_proofs_are_listed(page: Page, mesh: ProofMesh) -> None:
    """With their checks: expected beside observed."""
    measured = {
        "successes": 20,
        "trials": 100,
        "share": 0.2,
        "interval": {"low": 0.1, "high": 0.3},
        "expected_share": 0.25,
    }
    check = {
        "name": "share of v2",
        "verdict": "FAIL",
        "expected": "25 %",
        "reason": "too few",
        "measured": measured,
    }
    scenario = {"scenario": "canary", "proves": "shares", "verdict": "FAIL", "seconds": 1, "checks": [check]}
    report = {"report": "loadgen prove", "scenarios": [scenario]}
    requests.post(f"{mesh.api}/mesh/proofs", json=report, timeout=5).raise_for_status()

    page.get_by_role("tab", name="Proofs").click()

    expect(page.locator("#proofs > ol > li").first).to_contain_text("✗ FAIL canary")
    expect(page.locator("#proofs .checks li").first).to_contain_text("too few")


def test_the_page_is_used_with_the_keyboard(page: Page, mesh: ProofMesh) -> None:
    """Enter selects what has the focus, Escape returns to the whole mesh, arrows change tabs."""
    mesh.apply(overlay("base"))
    node(page, "webapp v1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#details h2")).to_have_text("webapp v1")
    page.keyboard.press("Escape")
    expect(page.locator("#details h2")).to_have_text("The whole mesh")
    page.get_by_role("tab", name="Details").focus()
    page.keyboard.press("ArrowRight")

    expect(page.get_by_role("tab", name="Request")).to_be_focused()
    expect(page.locator("#request")).to_be_visible()
