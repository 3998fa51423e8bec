"""Cases of the scenarios about traffic."""

from __future__ import annotations

from typing import Any

from tests.scenarios import faults
from tests.scenarios.case import FAIL, NOT_PASS, PASS, Body, Case, Manifests, edit_spec, quick


def retries(attempts: int) -> Any:
    """Another number of attempts; Istio rejects a deadline for attempts that are switched off."""

    def change(spec: Body) -> None:
        policy = spec["http"][0]["retries"]
        policy["attempts"] = attempts
        if not attempts:
            del policy["perTryTimeout"], policy["retryOn"]

    return edit_spec("VirtualService", "logic", change)


def timeout(seconds: str) -> Any:
    return edit_spec("VirtualService", "logic", lambda spec: spec["http"][0].update(timeout=seconds))


def pool(connections: int, pending: int) -> Any:
    limits = {"tcp": {"maxConnections": connections}, "http": {"http1MaxPendingRequests": pending}}
    return edit_spec(
        "DestinationRule", "webapp", lambda spec: spec["trafficPolicy"].update(connectionPool=limits)
    )


def ejection_after(errors: int) -> Any:
    return edit_spec(
        "DestinationRule",
        "logic",
        lambda spec: spec["trafficPolicy"]["outlierDetection"].update(consecutive5xxErrors=errors),
    )


def weighted_subsets(spec: Body) -> None:
    spec["http"][-1]["route"] = [
        {"destination": {"host": "frontend", "subset": version}, "weight": 50} for version in ("v1", "v2")
    ]


def without_mirror(spec: Body) -> None:
    del spec["http"][0]["mirror"], spec["http"][0]["mirrorPercentage"]


def without_redirect(spec: Body) -> None:
    route = {item["name"]: item for item in spec["http"]}
    del route["moved"]["redirect"]
    route["moved"]["route"] = route["page"]["route"]


def with_plain_logic_route(manifests: Manifests) -> Manifests:
    """Replaces logic's VirtualService with that of the plain application."""
    (plain,) = (item for item in quick("base") if (item.kind, item.name) == ("VirtualService", "logic"))
    return [plain if (item.kind, item.name) == ("VirtualService", "logic") else item for item in manifests]


CASES = (
    Case(
        scenario="ab-testing",
        title="a consistent hash has no effect between weighted subsets",
        manifests=edit_spec("VirtualService", "ingress", weighted_subsets),
        says="draws one for each request",
    ),
    Case(
        scenario="ab-testing",
        title="proxies do not hash",
        fault=faults.without_action("hashPolicy"),
        checks={"same value, same pod": FAIL, "pages of one version": FAIL},
    ),
    Case(
        scenario="canary",
        title="proxies split evenly",
        fault=faults.equal_weights,
        checks={"share of v2": FAIL},
    ),
    Case(
        scenario="circuit-breaker",
        title="the pool is larger than the load",
        manifests=pool(1000, 1000),
    ),
    Case(
        scenario="circuit-breaker",
        title="proxies have no limits",
        fault=faults.without_cluster_field("circuitBreakers"),
        checks={"refused when flooded": FAIL, "slow among admitted": NOT_PASS},
    ),
    Case(
        scenario="fault-injection",
        title="the fault has no match and hits all users",
        manifests=edit_spec("VirtualService", "logic", lambda spec: spec["http"][0].pop("match")),
    ),
    Case(
        scenario="fault-injection",
        title="proxies inject no faults",
        fault=faults.without_injected_faults,
        checks={"tester's aborts": FAIL, "tester's delays": FAIL},
    ),
    Case(
        scenario="header-operations",
        title="a route without its redirect",
        needs_all_requests=True,
        manifests=edit_spec("VirtualService", "ingress", without_redirect),
        checks={"redirect": FAIL},
    ),
    Case(
        scenario="header-operations",
        title="proxies leave header operations and CORS out",
        needs_all_requests=True,
        fault=faults.without_header_operations,
        checks={
            "request set x-came-by": FAIL,
            "request add x-seen-by": FAIL,
            "request remove x-secret": FAIL,
            "response remove referrer-policy": FAIL,
            "cors origin": FAIL,
            "redirect status": PASS,
            "response set cache-control": PASS,
        },
    ),
    Case(
        scenario="outlier-detection",
        title="ejection is switched off",
        manifests=ejection_after(0),
    ),
    Case(
        scenario="outlier-detection",
        title="proxies eject nothing",
        manifests=ejection_after(4),
        fault=faults.without_cluster_field("outlierDetection"),
        checks={"requests to it during ejection": FAIL, "it comes back": FAIL},
    ),
    Case(
        scenario="locality-failover",
        title="proxies know no priorities",
        fault=faults.without_priorities,
        checks={"not europe at first": FAIL, "a third region": FAIL},
    ),
    Case(
        scenario="rate-limit",
        title="proxies limit nothing",
        needs_all_requests=True,
        fault=faults.without_http_filter("envoy.filters.http.local_ratelimit"),
        checks={"burst to /sentiment": FAIL, "refill of /about/webapp": FAIL, "page": PASS},
    ),
    Case(scenario="retry", title="retries are switched off", manifests=retries(0)),
    Case(
        scenario="retry",
        title="proxies do not retry",
        manifests=retries(2),
        fault=faults.without_action("retryPolicy"),
        needs_all_requests=True,
        checks={"successes by a retry": FAIL, "other than predicted": FAIL},
    ),
    Case(
        scenario="retry-naive",
        title="proxies retry without being told to",
        manifests=retries(2),
        fault=faults.retry_on_5xx,
        checks={"more than 1 attempt": FAIL, "other than predicted": FAIL},
    ),
    Case(
        scenario="shadow",
        title="no mirror",
        manifests=edit_spec("VirtualService", "logic", without_mirror),
    ),
    Case(
        scenario="shadow",
        title="proxies mirror half of the requests",
        fault=faults.mirror_half,
        checks={
            "copies to v2": FAIL,
            "copies of feedback": FAIL,
            "users see failures": PASS,
            "each feedback stored once": PASS,
        },
    ),
    Case(scenario="timeout", title="a timeout longer than any request", manifests=timeout("5s")),
    Case(
        scenario="timeout",
        title="proxies have no timeout",
        manifests=timeout("500ms"),
        fault=faults.without_action(timeout="0s"),
        checks={"later than 0.5 s + 1 s": FAIL, "timed out with 504": FAIL},
    ),
    Case(
        scenario="user-routing",
        title="only the gateway looks at the header",
        manifests=with_plain_logic_route,
        says="routes logic regardless of the header",
    ),
    Case(
        scenario="user-routing",
        title="proxies ignore the header",
        fault=faults.without_user_groups,
        checks={
            "edge: internal to v2": FAIL,
            "inside: external to v1": FAIL,
            "edge: others to v2": PASS,
        },
    ),
)
