"""A real Prometheus that scrapes a mesh has data for Grafana's dashboards and for Kiali's graph."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import requests
import yaml

from localmesh.manifests import load
from localmesh.runtime.workloads import FreePorts
from localmesh.tests.kiali import Query, of_received, of_sent
from tests.kustomize_builds import combine
from tests.live import ROOT, live
from tests.proof_mesh import LOADGEN
from tests.test_observability import COMPONENT, ISTIO, SERVICES, panels

Labels = dict[str, str]
T = TypeVar("T")

PROMETHEUS = shutil.which("prometheus")
WITHIN_SECONDS = 30
PANELS = [
    pytest.param(target["expr"], id=f"{dashboard.stem}: {panel['title']}")
    for dashboard in (SERVICES, ISTIO)
    for panel in panels(dashboard)
    for target in panel["targets"]
]

pytestmark = [
    pytest.mark.mesh,
    pytest.mark.xdist_group("metrics"),
    pytest.mark.skipif(not PROMETHEUS, reason="prometheus is not on the PATH"),
]


def scrape_config(api: str) -> str:
    """The configuration of the documentation, for this mesh."""
    page = (ROOT / "docs" / "observability.md").read_text()
    (documented,) = re.findall(r"```yaml\n(scrape_configs:\n.*?)```", page, re.DOTALL)
    content = yaml.safe_load(documented)
    (job,) = content["scrape_configs"]
    job["static_configs"] = [{"targets": [api.removeprefix("http://")]}]
    return yaml.safe_dump({"global": {"scrape_interval": "1s"}, **content})


def answers(prometheus: str, query: str) -> list[tuple[Labels, float]]:
    """The series of a query with their current values; those that are no numbers are left out."""
    answer = requests.get(f"{prometheus}/api/v1/query", {"query": query}, timeout=10).json()
    assert answer["status"] == "success", answer
    found = [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]
    return [(labels, value) for labels, value in found if not math.isnan(value)]


def has_scraped(prometheus: str) -> bool:
    """Whether a Prometheus runs and its last scrape succeeded."""
    try:
        return answers(prometheus, "up == 1") != []
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped the canary during one `loadgen run`."""
    folder = tmp_path_factory.mktemp("dashboards")
    resources = load(kustomizations=[combine(folder, ROOT / "istio/overlays/canary", COMPONENT)]).resources
    ports = FreePorts()
    address = f"127.0.0.1:{ports.take()}"
    ports.close()
    with live(folder, list(resources)) as mesh:
        config = folder / "prometheus.yml"
        config.write_text(scrape_config(mesh.api))
        process = subprocess.Popen(_prometheus(config, folder / "data", address), stderr=subprocess.DEVNULL)
        try:
            assert eventually(lambda: has_scraped(f"http://{address}"), bool)
            assert subprocess.run([LOADGEN, "run", mesh.gateway, *_LOAD], check=False).returncode == 0
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("query", PANELS)
def test_a_panel_has_data_after_one_run_of_loadgen(prometheus: str, query: str) -> None:
    """Within the time that Prometheus needs for two scrapes."""
    query = query.replace("$__rate_interval", "1m")

    assert eventually(lambda: answers(prometheus, query), bool), query


Edge = tuple[str, str, str]
"""From which workload, through which Service, to which workload."""
GATEWAY_TO_WEBAPP = ("istio-ingressgateway", "webapp", "webapp-v1")
WEBAPP_TO_V1 = ("webapp-v1", "logic", "logic-v1")
WEBAPP_TO_V2 = ("webapp-v1", "logic", "logic-v2")


def kiali(prometheus: str, query: Query) -> list[Labels]:
    """The labels of what Kiali draws, idle edges included: how often Prometheus scraped does not matter."""
    return [labels for labels, _ in answers(prometheus, str(query))]


def edges(found: list[Labels]) -> set[Edge]:
    """The edges between the nodes of the graph."""
    names = ("source_workload", "destination_service_name", "destination_workload")
    return {(labels[names[0]], labels[names[1]], labels[names[2]]) for labels in found}


def test_kiali_draws_the_canary(prometheus: str) -> None:
    """The edges of its graph; only logic-v2 fails, and webapp passes that on."""
    query = of_received("sentimesh")["requests"]

    def drawn() -> tuple[set[Edge], set[Edge]]:
        found = kiali(prometheus, query)
        return edges(found), edges([labels for labels in found if labels["response_code"].startswith("5")])

    all_edges, failing = eventually(drawn, lambda both: both[1] == {GATEWAY_TO_WEBAPP, WEBAPP_TO_V2})

    assert all_edges == {GATEWAY_TO_WEBAPP, WEBAPP_TO_V1, WEBAPP_TO_V2}
    assert failing == {GATEWAY_TO_WEBAPP, WEBAPP_TO_V2}


def test_kiali_counts_no_request_twice(prometheus: str) -> None:
    """It recognises that both sides report a request if all labels of its ends and result are equal."""
    received, sent = of_received("sentimesh")["requests"], of_sent("sentimesh")["requests"]

    def reports() -> tuple[list[Labels], list[Labels]]:
        inside = [
            labels
            for labels in kiali(prometheus, received)
            if labels["source_workload_namespace"] == "sentimesh"
        ]
        return inside, kiali(prometheus, sent)

    of_called, of_callers = eventually(reports, lambda both: both[0] != [] and equal(*both))

    assert edges(of_called) == {WEBAPP_TO_V1, WEBAPP_TO_V2}
    assert equal(of_called, of_callers), (of_called, of_callers)


def test_kiali_shows_padlocks_and_identities(prometheus: str) -> None:
    """Every edge is secured with mTLS, between the identities of the workloads' ServiceAccounts."""
    queries = of_received("sentimesh")["security"], of_sent("sentimesh")["security"]

    found = eventually(lambda: [kiali(prometheus, query) for query in queries], all)

    identities = {
        (labels["source_principal"], labels["destination_principal"], labels["connection_security_policy"])
        for labels in (*found[0], *found[1])
    }
    gateway, webapp, logic = (
        f"spiffe://cluster.local/ns/{account}"
        for account in (
            "istio-system/sa/istio-ingressgateway-service-account",
            "sentimesh/sa/webapp",
            "sentimesh/sa/logic",
        )
    )
    assert identities == {(gateway, webapp, "mutual_tls"), (webapp, logic, "mutual_tls")}


def equal(one: list[Labels], other: list[Labels]) -> bool:
    """Whether two lists have the same labels, in whatever order."""
    return {frozenset(labels.items()) for labels in one} == {frozenset(labels.items()) for labels in other}


def eventually(read: Callable[[], T], is_complete: Callable[[T], bool]) -> T:
    """What is read last: once it is complete, or after the time that Prometheus needs for two scrapes."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while not is_complete(found := read()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


_LOAD = ["--rate", "20", "--duration", "6s", "--no-live"]


def _prometheus(config: Path, data: Path, address: str) -> list[str]:
    assert PROMETHEUS is not None
    settings = {"config.file": config, "storage.tsdb.path": data, "web.listen-address": address}
    return [PROMETHEUS, *(f"--{name}={value}" for name, value in settings.items())]
