"""docs/target.md is correct at the gateway: ids and their fates, and which proxy or pod answers errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from localmesh.manifests import Resource, load_text
from tests.live import Live, live, overlay, with_environment
from tests.proof_mesh import edited
from tests.target_page import fate, section, tables

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]

SENTENCE = {"sentence": "I like it"}
HANG_SECONDS = "0.3"
PROXIES = {"host": "proxies.example"}

# One route to each response of a proxy.
ANSWERS_OF_PROXIES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: proxies, namespace: sentimesh}
spec:
  hosts: [proxies.example]
  gateways: [sentimesh]
  http:
    - match: [{uri: {exact: /redirect}}]
      redirect: {uri: /about}
    - match: [{uri: {exact: /abort}}]
      fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
      route: [{destination: {host: frontend, subset: v1}}]
    - match: [{uri: {exact: /no-subset}}]
      route: [{destination: {host: frontend, subset: v3}}]
    - match: [{uri: {exact: /no-pod}}]
      route: [{destination: {host: empty}}]
    - match: [{uri: {exact: /no-server}}]
      route: [{destination: {host: deaf.example}}]
    - match: [{uri: {exact: /late}}]
      timeout: 0.05s
      rewrite: {uri: /sentiment}
      route: [{destination: {host: webapp}}]
    - match: [{uri: {exact: /forbidden}}, {uri: {exact: /about}}]
      route: [{destination: {host: frontend, subset: v1}}]
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: sentimesh}
spec:
  selector: {app: nobody}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: narrow, namespace: sentimesh}
spec:
  selector: {app: logic, version: v2}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: narrow, namespace: sentimesh}
spec:
  host: narrow
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: deaf, namespace: sentimesh}
spec:
  hosts: [deaf.example]
  ports: [{name: http, number: 80, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: 1}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: not-this, namespace: sentimesh}
spec:
  action: DENY
  rules:
    - to: [{operation: {paths: [/forbidden]}}]
    - to: [{operation: {paths: [/analyse/sentiment]}}]
      when: [{key: "request.headers[end-user]", values: [nobody]}]
"""


def to_v2(body: dict[str, Any]) -> None:
    """Route everything to v2, with retries for one user group and responses of a proxy for some users."""

    def user(name: str, host: str = "logic", subset: str | None = None, **rule: Any) -> dict[str, Any]:
        destination = {"host": host, "subset": subset} if subset else {"host": host}
        match = [{"headers": {"end-user": {"exact": name}}}]
        return {"match": match, "route": [{"destination": destination}], **rule}

    plain: dict[str, Any] = {"route": [{"destination": {"host": "logic", "subset": "v2"}}]}
    match = [{"headers": {"user-group": {"exact": "retried"}}}]
    body["spec"]["http"] = [
        user("no-subset", subset="v3"),
        user("no-pod", "empty"),
        user("no-server", "deaf.example"),
        user("abort", subset="v2", fault={"abort": {"httpStatus": 418, "percentage": {"value": 100}}}),
        user("late", subset="v2", timeout="0.05s"),
        user("crowd", "narrow"),
        {**plain, "match": match, "retries": {"attempts": 3, "retryOn": "5xx"}},
        plain,
    ]


def manifests() -> list[Resource]:
    """The canary with all sentences sent to logic-v2, which hangs shortly, and the routes above."""
    resources = edited(overlay("canary"), "VirtualService", "logic", to_v2)
    resources = with_environment(resources, "logic-v2", HANG_SECONDS=HANG_SECONDS)
    tokens = [resource for resource in overlay("jwt") if resource.kind == "RequestAuthentication"]
    frontend = {"selector": {"matchLabels": {"app": "frontend"}}}
    tokens = edited(tokens, "RequestAuthentication", "feedback", lambda body: body["spec"].update(frontend))
    return [*resources, *load_text(ANSWERS_OF_PROXIES).resources, *tokens]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("target"), manifests()) as running:
        yield running


def analyse(mesh: Live, path: str = "/sentiment", **headers: str) -> requests.Response:
    """Send a sentence to the gateway."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(f"{mesh.gateway}{path}", json=SENTENCE, headers=headers, timeout=20)


def computed(answer: requests.Response) -> list[str]:
    """The fates that the page's function computes for a response: one for each attempt of its id."""
    last = re.search(r"logic/v2/[^,]+;attempt=(\d+)", answer.headers["served-by"])
    assert last is not None
    return [fate()(answer.headers["x-request-id"], attempt) for attempt in range(1, int(last[1]) + 1)]


class TestReachingPods:
    def test_the_status_has_the_fields_of_the_page(self, mesh: Live) -> None:
        """The fields of the mesh and of every pod."""
        (line,) = (
            line for line in section("Where to reach it").splitlines() if "these fields are stable" in line
        )
        of_mesh, of_pods = (set(re.findall(r"`(\w+)`", part)) for part in line.split(" of each of "))

        status = requests.get(f"{mesh.api}/mesh", timeout=10).json()

        assert len(of_mesh) == 3
        assert of_mesh <= status.keys()
        assert len(of_pods) == 8  # `pods` itself is among them
        assert all(of_pods - {"pods"} <= pod.keys() for pod in status["pods"])

    def test_the_api_forwards_to_every_pod(self, mesh: Live) -> None:
        """Under the paths of the page, only with GET."""
        paths = re.findall(r"^API(/\S+)$", section("Where to reach it"), flags=re.MULTILINE)
        pods = requests.get(f"{mesh.api}/mesh", timeout=10).json()["pods"]

        urls = [mesh.api + path.replace("POD", pod["name"]) for path in paths for pod in pods]
        assert len(urls) == 2 * 6
        assert {requests.get(url, timeout=10).status_code for url in urls} == {200}
        assert {requests.post(url, json={}, timeout=10).status_code for url in urls} == {405}


class TestRequestIds:
    def test_a_response_has_the_id_that_decided_its_fate(self, mesh: Live) -> None:
        """All requests have the same id; the gateway gives each another id, which decides its fate."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: analyse(mesh, x_request_id="target-1"), range(40)))

        fates = [outcome for answer in answers for outcome in computed(answer)]
        assert len({answer.headers["x-request-id"] for answer in answers} | {"target-1"}) == 41
        assert set(fates) == {"answered", "error", "hang"}
        assert fates == [
            outcome if answer.ok == (outcome == "answered") else answer.text
            for outcome, answer in zip(fates, answers, strict=True)
        ]
        # The reverse need not be true: on a busy machine, any response may be late.
        took = [answer.elapsed.total_seconds() for answer in answers]
        assert min(s for s, outcome in zip(took, fates, strict=True) if outcome == "hang") >= float(
            HANG_SECONDS
        )

    def test_each_attempt_has_its_own_fate(self, mesh: Live) -> None:
        """All attempts before the one that answered have failed."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: analyse(mesh, user_group="retried"), range(24)))

        attempts = [computed(answer) for answer in answers]
        assert max(map(len, attempts)) > 1
        assert not [fates for fates in attempts if "answered" in fates[:-1]]
        assert [fates[-1] == "answered" for fates in attempts] == [answer.ok for answer in answers]

    def test_the_id_of_the_caller_decides_behind_the_gateway(self, mesh: Live) -> None:
        """At webapp's port, the fates are those of the page's table."""
        pods = requests.get(f"{mesh.api}/mesh", timeout=10).json()["pods"]
        (port,) = (pod["ports"]["8080"] for pod in pods if pod["workload"] == "webapp-v1")
        rows = tables("Fault switches")[1]

        for request_id, first, *_ in rows:
            answer = requests.post(
                f"http://127.0.0.1:{port}/sentiment",
                json=SENTENCE,
                headers={"x-request-id": request_id},
                timeout=20,
            )
            assert answer.headers["x-request-id"] == request_id
            assert answer.ok == (first == "answered")

    def test_a_write_that_is_sent_twice_is_stored_twice(self, mesh: Live) -> None:
        """The gateway gives each request another id."""
        feedback = {**SENTENCE, "polarity": 0.3612, "correct": True}

        ids = {
            requests.post(
                f"{mesh.gateway}/feedback", json=feedback, headers={"x-request-id": "twice"}, timeout=20
            ).json()["id"]
            for _ in range(2)
        }

        assert len(ids) == 2


@pytest.mark.parametrize(
    ("path", "headers", "status", "body"),
    [
        ("/redirect", {}, "301 and the like", "none"),
        ("/about", {"authorization": "Bearer x"}, "401", "Jwt …"),
        ("/forbidden", {}, "403", "RBAC: access denied"),
        ("/nowhere", {}, "404", "none"),
        ("/no-pod", {}, "503", "no healthy upstream"),
        ("/no-subset", {}, "503", "none"),
        ("/no-server", {}, "503", "upstream connect error or disconnect/reset before headers…"),
        ("/abort", {}, "as the route says", "fault filter abort"),
    ],
)
def test_a_response_of_a_proxy(
    mesh: Live, path: str, headers: dict[str, str], status: str, body: str
) -> None:
    """Status, body and missing headers are those of the page."""
    answer = requests.get(
        f"{mesh.gateway}{path}", headers={**PROXIES, **headers}, timeout=20, allow_redirects=False
    )

    rows = [(code, words.split("`, for")[0]) for code, words, _ in tables("Errors, and who answers them")[0]]
    assert (status, body) in rows
    assert str(answer.status_code) == {"as the route says": "418", "301 and the like": "301"}.get(
        status, status
    )
    assert answer.text.startswith(body.rstrip("…") if body != "none" else "")
    assert bool(answer.text) == (body != "none")
    assert answer.headers.get("content-type", "text/plain") == "text/plain"
    assert not {"served-by", "x-request-id"} & {name.lower() for name in answer.headers}


def test_the_proxy_answers_when_a_route_times_out(mesh: Live) -> None:
    """With 504 and Envoy's text, if a sentence hangs."""
    answers = (analyse(mesh, "/late", **PROXIES) for _ in range(60))

    late = next(answer for answer in answers if answer.status_code == 504)

    assert late.text == "upstream request timeout"
    assert not {"served-by", "x-request-id"} & {name.lower() for name in late.headers}
    assert ["504", "upstream request timeout"] in [
        row[:2] for row in tables("Errors, and who answers them")[0]
    ]


def test_webapp_reports_the_response_of_a_proxy_as_a_problem(mesh: Live) -> None:
    """With the proxy's status, and without logic in `served-by`."""
    answer = analyse(mesh, end_user="nobody")

    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["upstream"] == {"service": "logic", "status": 403}
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "logic" not in answer.headers["served-by"]


OF_WEBAPP = "sidecar proxy of webapp"
PROXY_REPLIES = [
    ("nobody", 403, "sidecar proxy of logic", "an AuthorizationPolicy", "logic did not receive"),
    ("no-subset", 503, OF_WEBAPP, "such as a subset, does not exist", "logic did not receive"),
    ("no-pod", 503, OF_WEBAPP, "no healthy pod", "No pod of logic received"),
    ("no-server", 503, OF_WEBAPP, "failed or broke", "logic may have received"),
    ("abort", 418, OF_WEBAPP, "injects this fault", "logic did not receive"),
    ("late", 504, OF_WEBAPP, "within the timeout of the route", "logic may have received"),
    ("crowd", 503, OF_WEBAPP, "a circuit breaker", "No pod of logic received"),
]


@pytest.mark.parametrize(("user", "status", "proxy", "why", "received"), PROXY_REPLIES)
def test_webapp_s_problem_names_the_proxy_that_answered(
    mesh: Live, user: str, status: int, proxy: str, why: str, received: str
) -> None:
    """It does not blame logic, which may not have received the request."""
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: analyse(mesh, end_user=user), range(32)))

    problems = [answer.json() for answer in answers if not answer.ok]
    from_proxy = [problem for problem in problems if problem["answered_by"] == proxy]
    assert from_proxy
    assert {problem["upstream"]["status"] for problem in from_proxy} == {status}
    assert {why in problem["detail"] and received in problem["detail"] for problem in from_proxy} == {True}


def test_webapp_s_problem_names_the_pod_of_logic_that_failed(mesh: Live) -> None:
    """With its version, if logic itself answered."""
    answers = (analyse(mesh) for _ in range(60))

    failed = next(answer for answer in answers if not answer.ok)

    element = failed.headers["served-by"].split(", ")[1]
    assert failed.json()["answered_by"] == element
    pod = element.split(";")[0].split("/")[2]
    assert failed.json()["detail"] == f"logic v2 (pod {pod}) answered 500."
