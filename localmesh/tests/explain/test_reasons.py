"""Why: the rules, settings and policies that an explanation names, with their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localmesh.explain import Explainer, Request
from localmesh.explain.document import document
from localmesh.manifests import Locator, load

MANIFESTS = Path(__file__).parent / "reasons.yaml"
LINES = MANIFESTS.read_text().splitlines()


@pytest.fixture(scope="module")
def loaded() -> tuple[Explainer, Locator]:
    manifests = load(files=[MANIFESTS])
    return Explainer.of(manifests.resources), Locator(manifests)


def described(
    loaded: tuple[Explainer, Locator], url: str, method: str = "GET", source: str = "client", **others: Any
) -> dict[str, Any]:
    explainer, locator = loaded
    explanation = explainer.explain(Request.to(url, method=method, source=source, **others))
    return document(explainer, explanation, locator.place)


def written(place: dict[str, Any]) -> str:
    """The line of a place in the manifests."""
    assert place["file"] == str(MANIFESTS)
    return LINES[place["line"] - 1].strip()


def levels(destination: dict[str, Any]) -> dict[str, str]:
    return {setting["name"]: f"{setting['value']}: {setting['level']}" for setting in destination["settings"]}


def test_each_setting_has_its_level(loaded: tuple[Explainer, Locator]) -> None:
    """The block of a subset takes the place of the host's; what nobody sets is a default."""
    subset, host = described(loaded, "http://web/x")["hops"][0]["routing"]["destinations"]

    ejects = "ejects after 3 consecutive 5xx errors, for 4s and longer, at most 10 % of the endpoints: host"
    default = {"connect timeout": "10s: default", "outlier detection": ejects}
    assert levels(subset) == {"load balancer": "random: subset", **default}
    assert levels(host) == {"load balancer": "round robin: host", **default}
    assert written(subset["settings"][0]["place"]) == "loadBalancer: {simple: RANDOM}"


def test_settings_for_a_port_take_the_place_of_all_others(loaded: tuple[Explainer, Locator]) -> None:
    """Those of a subset, too."""
    routing = described(loaded, "http://web:9080/s")["hops"][0]["routing"]
    (subset,) = routing["destinations"]
    _, host = described(loaded, "http://web:9080/x")["hops"][0]["routing"]["destinations"]

    balancer = "consistent hash (ring): subset port"
    assert levels(subset) == {"load balancer": balancer, "connect timeout": "10s: default"}
    assert levels(host) == {
        "load balancer": "least request: default",
        "connection pool": "7 concurrent requests: port",
        "connect timeout": "10s: default",
    }
    assert routing["rule"]["name"] == "alt"


def test_rules_for_other_proxies_say_so(loaded: tuple[Explainer, Locator]) -> None:
    """istiod decides on gateways, labels of the caller and ports; Envoy never sees these rules."""
    absent = described(loaded, "http://web/x")["hops"][0]["routing"]["absent"]

    failed = [(rule["index"], rule["failed"]["field"], rule["failed"]["seen"]) for rule in absent]
    assert failed == [(0, "gateways", "mesh"), (1, "sourceLabels[app]", "client"), (2, "port", "80")]
    assert "sourceLabels: {app: other}" in written(absent[1]["failed"]["place"])


def test_a_skipped_rule_has_the_condition_that_failed(loaded: tuple[Explainer, Locator]) -> None:
    """The first, with what the request has there."""
    skipped = described(loaded, "http://web/user", headers={"User": "you"})["hops"][0]["routing"]["skipped"]

    failed = {(rule["index"], rule["failed"]["field"], rule["failed"]["seen"]) for rule in skipped}
    assert failed == {(3, "uri", "/user"), (4, "uri", "/user"), (5, "headers[user]", "you")}
    assert skipped[-1]["failed"]["place"]["field"] == "spec.http[4].match[0].headers.user"
    assert written(skipped[-1]["failed"]["place"]) == (
        "- match: [{uri: {exact: /user}, headers: {user: {exact: me}}}]"
    )


def test_a_delegated_rule_is_where_it_is_written(loaded: tuple[Explainer, Locator]) -> None:
    """In the delegate, with the retries that it switches off."""
    routing = described(loaded, "http://web/d/yes")["hops"][0]["routing"]

    assert routing["rule"]["virtualService"] == "shop/web"
    assert routing["rule"]["place"]["object"] == "VirtualService shop/below"
    assert written(routing["rule"]["place"]).startswith("- {retries: {attempts: 0}")
    assert routing["actions"]["retries"] is None
    assert routing["actions"]["places"]["retries"]["field"] == "spec.http[1].retries"


def test_odds_of_faults_and_weights_multiply(loaded: tuple[Explainer, Locator]) -> None:
    """A quarter is aborted; the rest is divided by weight."""
    shown = described(loaded, "http://web/x")

    outcomes = [
        (outcome["percent"], (outcome["answer"] or {}).get("status")) for outcome in shown["outcomes"]
    ]
    assert outcomes == [(25.0, 418), (18.75, None), (56.25, None)]
    actions = shown["hops"][0]["routing"]["actions"]
    assert actions["faults"] == [
        {"percent": 50.0, "delay": "1s", "status": None},
        {"percent": 25.0, "delay": "", "status": 418},
    ]
    assert actions["timeout"] == "2s"
    assert written(actions["places"]["timeout"]) == "timeout: 2s"


@pytest.mark.parametrize(
    ("url", "accepts", "line"),
    [("http://web/d/yes", "STRICT", "mtls:"), ("http://plain/", "DISABLE", "portLevelMtls:")],
)
def test_the_field_that_decides_about_mtls_is_named(
    url: str, accepts: str, line: str, loaded: tuple[Explainer, Locator]
) -> None:
    """For all ports, or for one."""
    connection = described(loaded, url)["hops"][1]["connection"]

    assert (connection["accepts"], connection["accepted"]) == (accepts, True)
    assert written(connection["policy"]).startswith(line)


def test_a_pod_without_a_sidecar_has_no_identity(loaded: tuple[Explainer, Locator]) -> None:
    """A port that accepts mTLS only closes its connection; one in plain text takes it."""
    strict, plain = (described(loaded, url, source="bare") for url in ("http://web/", "http://plain/"))

    assert strict["outcomes"][0]["answer"]["status"] is None
    assert strict["hops"][0]["kind"] == "direct"
    assert plain["outcomes"][0]["answer"] is None
    assert plain["hops"][1]["connection"]["client"] == ""


@pytest.mark.parametrize(
    ("method", "path", "user", "field"),
    [
        ("POST", "/d/yes", "mallory", "paths"),
        ("GET", "/secret", "mallory", "notMethods"),
        ("PUT", "/s", "me", "request.headers[user]"),
    ],
)
def test_a_policy_says_which_condition_does_not_hold(
    method: str, path: str, user: str, field: str, loaded: tuple[Explainer, Locator]
) -> None:
    """Of several alternatives, that of the one that comes furthest."""
    hops = described(loaded, f"http://web{path}", method, headers={"user": user})["hops"]

    authorization = hops[-1]["authorization"]
    assert authorization["allowed"]
    assert authorization["rules"][0]["failed"]["field"] == field


def test_the_denying_rule_is_named(loaded: tuple[Explainer, Locator]) -> None:
    """With its line."""
    shown = described(loaded, "http://web/d/yes", "PUT", headers={"user": "mallory"})
    assert shown["hops"][-1]["authorization"]["deciding"] is None

    shown = described(loaded, "http://web:9080/s", "PUT", headers={"user": "mallory"})

    deciding = shown["hops"][-1]["authorization"]["deciding"]
    assert (deciding["policy"], deciding["index"]) == ("shop/web", 0)
    assert written(deciding["place"]).startswith("- to: [{operation: {paths: [/secret]")
    assert [outcome["answer"]["status"] for outcome in shown["outcomes"]] == [403]
