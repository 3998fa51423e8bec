"""On a cluster whose proxies lack Istio's filter, the EnvoyFilter makes both sides count every request."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from localmesh.telemetry.istio_metrics import istio_labels
from localmesh.translate.metrics import source_values
from tests.cluster.kube import NAMESPACE, Kube
from tests.live import ROOT
from tests.test_stock_envoy_metrics import FOLDER, relabeled

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]

SENTENCES = 200
WITHIN_SECONDS = 60
"""How long configuration and statistics may take: Envoys merge histograms every five seconds."""
SYSTEM = "istio-system"
REQUESTS = "istio_requests_total"
DURATIONS = "istio_request_duration_milliseconds_count"
Edge = tuple[str, ...]
"""The metric, its reporter, the workloads of caller and called, and the status."""
Labels = dict[str, str]


class Counted(NamedTuple):
    """What callers were told, what proxies have counted meanwhile, and the labels of it."""

    answers: Counter[tuple[str, str]]
    """The version of logic and the status."""
    edges: Counter[Edge]
    labels: list[Labels]


class Proxies:
    """The proxies of the application and the ingress gateway, read as Prometheus reads them."""

    def __init__(self, kube: Kube, api: str) -> None:
        own = [(NAMESPACE, pod["metadata"]["name"]) for pod in kube.pods("app")]
        names = kube("-n", SYSTEM, "get", "pods", "-l", "istio=ingressgateway", "-o", "name").split()
        pods = [*own, *((SYSTEM, name.removeprefix("pod/")) for name in names)]
        self._urls = [
            f"{api}/api/v1/namespaces/{namespace}/pods/{name}:15020/proxy/stats/prometheus"
            for namespace, name in pods
        ]

    def read(self) -> tuple[Counter[Edge], list[Labels]]:
        """The counts of all edges, and the labels of all series, after Prometheus' relabeling."""
        edges: Counter[Edge] = Counter()
        found = []
        for url in self._urls:
            text = requests.get(url, timeout=30).text
            if f"\n{REQUESTS}{{" in text:
                pytest.skip("the proxies of this cluster are Istio's, which count by themselves")
            for family in text_string_to_metric_families(text):
                for sample in family.samples if family.name.startswith("envoy_istio_request") else ():
                    labels = relabeled({"__name__": sample.name, **sample.labels})
                    keys = (
                        "__name__",
                        "reporter",
                        "source_workload",
                        "destination_workload",
                        "response_code",
                    )
                    edges[tuple(labels.get(key, "") for key in keys)] += int(sample.value)
                    found.append(labels)
        return edges, [labels for labels in found if labels["__name__"] == REQUESTS]


@pytest.fixture(scope="module")
def counted(kube: Kube, gateway: str, proxy: str) -> Iterator[Counted]:
    """The canary with the EnvoyFilter, before and after some sentences."""
    kube.remove_application()
    kube("apply", "-f", str(FOLDER / "envoyfilter.yaml"))
    try:
        kube.apply(ROOT / "istio" / "overlays" / "canary")
        kube.wait_until_ready()
        proxies = Proxies(kube, proxy)
        _until_counting(gateway, proxies)
        before, _ = _settled(proxies)
        answers = Counter(_ask(gateway) for _ in range(SENTENCES))
        after, labels = _settled(proxies)
        yield Counted(answers, after - before, labels)
    finally:
        kube("delete", "-f", str(FOLDER / "envoyfilter.yaml"), "--ignore-not-found")
        kube.remove_application()


@pytest.mark.parametrize("metric", [REQUESTS, DURATIONS])
def test_both_sides_of_each_edge_count_what_was_sent(counted: Counted, metric: str) -> None:
    """The gateway to webapp, and webapp to each version of logic."""
    sent = Counter({("istio-ingressgateway", "webapp-v1"): SENTENCES})
    for (version, _), count in counted.answers.items():
        sent["webapp-v1", f"logic-{version}"] += count
    by_source: Counter[tuple[str, str]] = Counter()
    by_destination: Counter[str] = Counter()
    for (name, reporter, source, destination, _), count in counted.edges.items():
        if name != metric:
            continue
        if reporter == "source":
            by_source[source, destination] += count
        else:
            by_destination[destination] += count

    assert by_source == sent
    assert by_destination == Counter({destination: count for (_, destination), count in sent.items()})


def test_the_status_is_that_of_the_answer(counted: Counted) -> None:
    """webapp gets 500 of the buggy version and makes 502 of it; both are counted where they were seen."""
    failed = sum(count for (_, status), count in counted.answers.items() if status == "502")

    codes: Counter[Edge] = Counter()
    for (name, *edge, code), count in counted.edges.items():
        if name == REQUESTS and code.startswith("5"):
            codes[*edge, code] += count

    assert failed > 0
    assert codes == {
        ("source", "istio-ingressgateway", "webapp-v1", "502"): failed,
        ("destination", "unknown", "webapp-v1", "502"): failed,
        ("source", "webapp-v1", "logic-v2", "500"): failed,
        ("destination", "unknown", "logic-v2", "500"): failed,
    }


def test_the_labels_are_those_of_istio(counted: Counted) -> None:
    """By name; and what the certificates say of both sides is in them."""
    names = set(dict(istio_labels(str(source_values("")._replace(code="200"))) or ()))
    principals = {
        (labels["source_principal"], labels["destination_principal"], labels["connection_security_policy"])
        for labels in counted.labels
        if labels["reporter"] == "destination" and labels["destination_workload"] == "logic-v1"
    }

    assert {frozenset(labels) - {"__name__"} for labels in counted.labels} == {frozenset(names)}
    prefix = f"spiffe://cluster.local/ns/{NAMESPACE}/sa"
    assert principals == {(f"{prefix}/webapp", f"{prefix}/logic", "mutual_tls")}


def _ask(gateway: str) -> tuple[str, str]:
    """The version of logic that one sentence has reached, and the status of the answer."""
    answer = requests.post(f"{gateway}/sentiment", json={"sentence": "I like it"}, timeout=30)
    served = [hop.strip().split("/") for hop in answer.headers["served-by"].split(",")]
    return next(hop[1] for hop in served if hop[0] == "logic"), str(answer.status_code)


def _settled(proxies: Proxies) -> tuple[Counter[Edge], list[Labels]]:
    """What proxies have counted, once histograms have as many requests as counters."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        edges, labels = proxies.read()
        totals = [
            sum(count for edge, count in edges.items() if edge[0] == name) for name in (REQUESTS, DURATIONS)
        ]
        if totals[0] == totals[1]:
            return edges, labels
        assert time.monotonic() < deadline, f"{totals[0]} requests and {totals[1]} durations are counted"
        time.sleep(1)


def _until_counting(gateway: str, proxies: Proxies) -> None:
    """Wait until every proxy on the way has the EnvoyFilter: a sentence is counted at both sides."""
    deadline = time.monotonic() + WITHIN_SECONDS
    wanted = {("source", "istio-ingressgateway", "webapp-v1"), ("source", "webapp-v1", "logic-v1")}
    while time.monotonic() < deadline:
        _ask(gateway)
        edges, _ = proxies.read()
        if wanted <= {edge[1:4] for edge in edges} and ("destination", "logic-v1") in {
            (edge[1], edge[3]) for edge in edges
        }:
            return
        time.sleep(1)
    pytest.fail(f"the proxies count nothing within {WITHIN_SECONDS} s: {sorted(proxies.read()[0])}")
