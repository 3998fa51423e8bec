"""The examples keep what examples/README.md says: requests through real Envoys, counted."""

from __future__ import annotations

import copy
import json
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import requests

import loadgen.cli
from loadgen.statistics.binomial import clopper_pearson
from localmesh.manifests import Resource, load
from localmesh.tests.command_line import in_process
from tests.live import ROOT
from tests.proof_mesh import ProofMesh

EXAMPLES = ROOT / "examples"
CONFIDENCE = 0.9999
"""A correct mesh fails a check of a share less than once in 10,000 runs."""
SHARES = [
    # example, step, path, header, shares in percent
    ("service-a-b", "90-10", "/call/service-b/", "", {"service-b v1": 90, "service-b v2": 10}),
    ("service-a-b", "blue-green", "/call/service-b/", "", {"service-b v2": 100}),
    ("service-a-b", "user-group", "/call/service-b/", "user-group:testers", {"service-b v2": 100}),
    ("service-a-b", "user-group", "/call/service-b/", "user-group:others", {"service-b v1": 100}),
    ("flask", "90-10", "/call/backend/", "", {"backend v1": 90, "backend v2": 10}),
    ("flask", "50-50", "/call/backend/", "", {"backend v1": 50, "backend v2": 50}),
    ("flask", "header-canary", "/call/backend/", "user-group:canary", {"backend v2": 100}),
    ("flask", "header-canary", "/call/backend/", "", {"backend v1": 100}),
    ("half-at-the-gateway", "50-50", "/", "", {"hello v1": 50, "hello v2": 50}),
    ("autoscaling", "90-10", "/", "", {"shop v1": 90, "shop v2": 10}),
    ("sentiment", "canary", "/call/sa-logic/", "", {"sa-logic v1": 80, "sa-logic v2": 20}),
]
REQUESTS = {True: 40, False: 400}
"""If all requests have one destination, and if not: then a share that is 8 percentage points off is found."""

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]


def resources(example: str, step: str) -> list[Resource]:
    """The manifests of a step, as `localmesh up -f services.yaml -f STEP.yaml` reads them."""
    files = [EXAMPLES / example / f"{name}.yaml" for name in ("services", step)]
    return list(load(files=files).resources)


def sent(url: str, *options: str) -> dict[str, int]:
    """How many requests each version answered, by `loadgen run`; all of them must be good."""
    finished = in_process(loadgen.cli.main, ROOT, "run", url, *options, "--all-good", "--json", "-")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    versions: dict[str, int] = json.loads(finished.stdout)["versions"]
    return versions


def assert_shares(observed: dict[str, int], expected: dict[str, int], service: str) -> None:
    """The exact confidence interval of each version's share contains the expected one."""
    own = {name: count for name, count in observed.items() if name.split()[0] == service}
    assert own.keys() == expected.keys(), observed
    for name, count in own.items():
        interval = clopper_pearson(count, sum(own.values()), CONFIDENCE)
        assert interval.low <= expected[name] / 100 <= interval.high, observed


@pytest.mark.parametrize(
    ("example", "step", "path", "header", "expected"), SHARES, ids=[" ".join(case[:4]) for case in SHARES]
)
def test_versions_get_their_shares(
    mesh: ProofMesh, example: str, step: str, path: str, header: str, expected: dict[str, int]
) -> None:
    """As the demo promises."""
    mesh.apply(resources(example, step))
    count = REQUESTS[len(expected) == 1]

    observed = sent(
        mesh.gateway + path,
        *("--concurrency", "4", "--requests", f"{count}"),
        *(("--header", header) if header else ()),
    )

    assert_shares(observed, expected, next(iter(expected)).split()[0])


def test_weights_count_and_not_pods_at_200_requests_a_second(mesh: ProofMesh) -> None:
    """Version 2 has three pods, as after its autoscaler has acted; localmesh itself ignores autoscalers."""
    scaled = []
    for resource in resources("autoscaling", "90-10"):
        body = copy.deepcopy(dict(resource.body))
        if (resource.kind, resource.name) == ("Deployment", "shop-v2"):
            body["spec"]["replicas"] = 3
        scaled.append(replace(resource, body=body))
    mesh.apply(scaled)

    observed = sent(f"{mesh.gateway}/", "--rate", "200", "--duration", "3s")

    assert sum(observed.values()) == 600
    assert_shares(observed, {"shop v1": 90, "shop v2": 10}, "shop")
    ignored = load(files=[EXAMPLES / "autoscaling" / "services.yaml"]).ignored
    assert {resource.kind for resource in ignored} == {"HorizontalPodAutoscaler"}


def test_the_same_header_leads_to_the_same_pod(mesh: ProofMesh) -> None:
    """And many values to both versions."""
    mesh.apply(resources("sentiment", "consistent-hash"))

    def pods(value: str) -> set[str]:
        answers = [requests.get(mesh.gateway, headers={"version": value}, timeout=10) for _ in range(4)]
        return {answer.headers["served-by"].partition(";")[0] for answer in answers}

    reached = {str(value): pods(str(value)) for value in range(24)}

    assert {len(each) for each in reached.values()} == {1}, reached
    versions = Counter(pod.split("/")[1] for each in reached.values() for pod in each)
    assert versions.keys() == {"v1", "v2"}


def test_the_shadow_gets_every_request(mesh: ProofMesh) -> None:
    """The sidecar of version 2 counts as many requests as were sent, and answers none of them."""
    mesh.apply(resources("sentiment", "shadow"))
    before = received_by_v2(mesh)

    observed = sent(f"{mesh.gateway}/call/sa-logic/", "--concurrency", "2", "--requests", "20")

    assert observed.keys() == {"sa-web-app v1", "sa-logic v1"}
    end = time.monotonic() + 10
    while received_by_v2(mesh) < before + 20 and time.monotonic() < end:
        time.sleep(0.1)
    assert received_by_v2(mesh) == before + 20


def received_by_v2(mesh: ProofMesh) -> int:
    """The requests to version 2 of logic that its own sidecar has counted."""
    text = requests.get(f"{mesh.api}/federate", timeout=10).text
    lines = [line for line in text.splitlines() if line.startswith("istio_requests_total{")]
    labels = ('reporter="destination"', 'destination_workload="sa-logic-v2"')
    return sum(int(line.split()[-1]) for line in lines if all(label in line for label in labels))


@pytest.mark.parametrize(("step", "attempts"), [("retries-as-written", "1"), ("retries", "4")])
def test_a_503_is_retried_only_where_the_condition_is_written(
    mesh: ProofMesh, step: str, attempts: str
) -> None:
    """The article's retries do nothing since Istio 1.24; with `retryOn` there are four attempts."""
    mesh.apply(resources("sentiment", step))

    answer = requests.get(f"{mesh.gateway}/call/sa-logic/status/503", timeout=20)

    assert answer.json()["upstream"]["headers"]["x-envoy-attempt-count"] == attempts


def test_every_file_is_on_the_page_and_executed() -> None:
    """Those of a step; the services belong to all."""
    steps = {f"{path.parent.name}/{path.name}" for path in EXAMPLES.glob("*/*.yaml")}
    page = set(re.findall(r"\]\(([a-z-]+/[\w-]+\.yaml)\)", (EXAMPLES / "README.md").read_text()))
    source = Path(__file__).read_text()

    assert steps == page
    assert all(f'"{Path(step).stem}"' in source for step in steps)
