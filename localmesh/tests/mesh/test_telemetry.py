"""Metrics, traces and access logs of a running mesh."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from localmesh.server.api import application
from localmesh.telemetry.request_stats import QUERY, Requests, read
from localmesh.tests.kiali import OPTIONAL, of_received
from localmesh.tests.mesh.shop import BASE, V1, gateway_url, mesh_of
from localmesh.tests.promql import series, unanswered
from localmesh.translate.metrics import PEER_HEADER

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("metrics")]

REQUESTS = 7
READS = 100
"""How often metrics are read, at most, until they are complete."""
TRACE = "463ac35c9f6413ad48485a3953bb6124"
B3 = {"x-b3-traceid": TRACE, "x-b3-spanid": "00f067aa0ba902b7", "x-b3-sampled": "1"}
PLAIN = """---
apiVersion: v1
kind: Service
metadata: {name: plain, namespace: shop}
spec: {selector: {app: plain}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain, namespace: shop}
spec:
  selector: {matchLabels: {app: plain}}
  template:
    metadata:
      labels: {app: plain, sidecar.istio.io/inject: "false"}
    spec: {containers: [{name: plain, image: stub, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: raw, namespace: shop}
spec: {selector: {app: web}, ports: [{name: tcp, port: 9000, targetPort: 9000}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: raw, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 9000, name: tcp, protocol: TCP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: raw, namespace: shop}
spec: {hosts: ["*"], gateways: [raw], tcp: [{route: [{destination: {host: raw}}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: counting, namespace: shop}
spec:
  selector: {matchLabels: {app: counting}}
  template:
    metadata:
      labels: {app: counting}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9102", prometheus.io/path: /hits.txt}
    spec:
      containers:
        - name: counting
          image: python
          command: [sh, -c]
          args: ["cd $(mktemp -d); echo hits_total 3 > hits.txt; exec python3 -m http.server $PORT"]
          env: [{name: PORT, value: "9102"}]
          ports: [{containerPort: 9102}]
          readinessProbe: {httpGet: {path: /hits.txt, port: 9102}, periodSeconds: 1}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
    - match: [{uri: {prefix: /plain}}]
      route: [{destination: {host: plain}}]
    - match: [{uri: {prefix: /web}}]
      route: [{destination: {host: web}}]
"""


class Seen(NamedTuple):
    """What applications have received, and what the API says of it."""

    headers: dict[str, Any]
    federation: str
    of_pod: str
    trace: dict[str, Any]
    access_log: list[str]
    connections: Requests
    """What the live page is told of connections to the Service raw."""


async def answered(
    session: aiohttp.ClientSession, url: str, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The answer to a request as soon as it is 200 and the condition holds."""
    while True:
        async with session.get(url) as answer:
            body: dict[str, Any] = await answer.json()
            if answer.status == 200 and holds(body):
                return body
        await asyncio.sleep(0.05)


def totals(exposition: str) -> Counter[str]:
    """The sums of all series of each name."""
    families = text_string_to_metric_families(exposition)
    counts: Counter[str] = Counter()
    for sample in (sample for family in families for sample in family.samples):
        counts[sample.name] += int(sample.value)
    return counts


def is_complete(federation: str) -> bool:
    """Whether both sides have closed the connection, and Envoys have merged what their threads recorded."""
    counts = totals(federation)
    merged = counts["istio_request_duration_milliseconds_count"] == counts["istio_requests_total"]
    return merged and counts["istio_tcp_connections_closed_total"] == 2


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A mesh that has answered requests to a pod with a sidecar and to one without."""

    async def run() -> Seen:
        folder = tmp_path_factory.mktemp("metrics")
        async with mesh_of(folder, BASE + V1 + PLAIN) as mesh, aiohttp.ClientSession() as session:
            runner = web.AppRunner(application(mesh), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            api = "http://{}:{}".format(*runner.addresses[0][:2])
            headers = {}
            for path in ("web", "plain") * REQUESTS:
                async with session.get(gateway_url(mesh) + path, headers={PEER_HEADER: "forged"}) as answer:
                    headers[path] = (await answer.json())["headers"]
            async with session.get(gateway_url(mesh) + "nowhere") as answer:
                assert answer.status == 404
            called = next(pod.sidecar for pod in mesh.pods.values() if pod.planned.workload.name == "web-v1")
            assert called is not None
            async with session.get(f"http://{called.proxy.inbound[0].listen}/") as answer:
                assert answer.status == 200
            listen = next(iter(mesh.gateways.values())).proxy.listen[9000]
            reader, writer = await asyncio.open_connection(listen.host, listen.port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            await reader.read()
            writer.close()
            name = next(name for _, name in mesh.pods if name.startswith("counting"))
            url = f"{api}/api/v1/namespaces/shop/pods/{name}:15020/proxy/stats/prometheus"
            async with session.get(url) as answer:
                of_pod = await answer.text()
            federation = ""
            for _ in range(READS):
                async with session.get(f"{api}/federate") as answer:
                    federation = await answer.text()
                if is_complete(federation):
                    break
            gateway = next(iter(mesh.gateways.values()))
            async with session.get(f"http://{gateway.statistics}/stats", params=QUERY) as answer:
                connections = read(await answer.json()).clusters["outbound|9000||raw.shop.svc.cluster.local"]
            async with session.get(gateway_url(mesh) + "web", headers=B3):
                pass
            trace = await answered(session, f"{api}/mesh/traces/{TRACE}", lambda it: it["spans"] == 3)
            assert gateway.log_file is not None
            while (log := gateway.log_file.read_text()).count('"GET /') < 2 * REQUESTS + 2:
                await asyncio.sleep(0.05)
            await runner.cleanup()
            return Seen(headers, federation, of_pod, trace, log.splitlines(), connections)

    return asyncio.run(run())


def test_no_application_sees_the_metadata_of_its_caller(seen: Seen) -> None:
    """The header is removed in front of a pod, with a sidecar or without."""
    names = {path: {name.lower() for name in headers} for path, headers in seen.headers.items()}

    assert all("x-request-id" in of_path for of_path in names.values())
    assert not any(PEER_HEADER in of_path for of_path in names.values())


def test_both_sides_count_each_request(seen: Seen) -> None:
    """The gateway and the sidecar count the same requests between the same workloads."""
    counts: Counter[tuple[str, ...]] = Counter()
    for family in text_string_to_metric_families(seen.federation):
        for sample in family.samples if family.name == "istio_requests" else ():
            keys = ("reporter", "source_workload", "destination_workload", "response_code")
            counts[tuple(sample.labels[key] for key in keys)] += int(sample.value)

    assert counts == {
        ("source", "istio-ingressgateway", "web-v1", "200"): REQUESTS,
        ("destination", "istio-ingressgateway", "web-v1", "200"): REQUESTS,
        ("source", "istio-ingressgateway", "plain", "200"): REQUESTS,
        ("source", "istio-ingressgateway", "unknown", "404"): 1,
        ("destination", "unknown", "web-v1", "200"): 1,
    }


def test_all_metrics_of_a_request_agree(seen: Seen) -> None:
    """Durations and sizes are counted as often as requests."""
    counts = totals(seen.federation)

    names = ("request_duration_milliseconds", "request_bytes", "response_bytes")
    assert {counts[f"istio_{name}_count"] for name in names} == {counts["istio_requests_total"]}


def test_both_sides_count_connections(seen: Seen) -> None:
    """One was opened and closed; what the sender has sent is what the receiver has sent."""
    counts: dict[str, dict[str, int]] = {}
    for family in text_string_to_metric_families(seen.federation):
        for sample in family.samples if family.name.startswith("istio_tcp") else ():
            assert sample.labels["request_protocol"] == "tcp"
            counts.setdefault(sample.name, {})[sample.labels["reporter"]] = int(sample.value)

    ones = {"source": 1, "destination": 1}
    assert counts["istio_tcp_connections_opened_total"] == ones
    assert counts["istio_tcp_connections_closed_total"] == ones
    for name in ("istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total"):
        assert counts[name]["source"] == counts[name]["destination"] > 0
    assert seen.connections.attempts == 1
    # Istio means what the called side has sent
    assert seen.connections.received == counts["istio_tcp_sent_bytes_total"]["source"]


KIALI = of_received("shop")


@pytest.mark.parametrize("name", KIALI)
def test_kialis_queries_are_answered(seen: Seen, name: str) -> None:
    """Those of its graph for what a namespace receives, with all labels by which they group."""
    assert unanswered(str(KIALI[name]), series(seen.federation), optional=OPTIONAL) == []


_OF_TARGET = 'reporter="destination", destination_workload_namespace="shop", destination_workload=~"web-v1"'
# the built-in metrics of Flagger for Istio: pkg/metrics/observers/istio.go
FLAGGER = {
    "request-success-rate": f"""
        sum(rate(istio_requests_total{{{_OF_TARGET}, response_code!~"5.*"}}[1m]))
        / sum(rate(istio_requests_total{{{_OF_TARGET}}}[1m])) * 100""",
    "request-duration": f"""histogram_quantile(0.99,
        sum(rate(istio_request_duration_milliseconds_bucket{{{_OF_TARGET}}}[1m])) by (le))""",
}


@pytest.mark.parametrize("name", FLAGGER)
def test_flaggers_queries_are_answered(seen: Seen, name: str) -> None:
    """Flagger asks the called sidecar about the workload of the release."""
    assert unanswered(FLAGGER[name], series(seen.federation)) == []


def test_a_query_for_what_nobody_counts_is_not_answered(seen: Seen) -> None:
    """Neither a selector that selects nothing nor a label that is not there goes unnoticed."""
    nothing = 'sum(rate(istio_requests_total{reporter="waypoint"}[1m]))'
    no_label = 'sum(rate(istio_requests_total{reporter="source"}[1m])) by (source_waypoint)'

    assert unanswered(nothing, series(seen.federation)) == [
        'no series: istio_requests_total{reporter="waypoint"}'
    ]
    assert unanswered(no_label, series(seen.federation)) == [
        'no label source_waypoint: istio_requests_total{reporter="source"}'
    ]


def test_the_metrics_of_a_pod_include_those_of_its_application(seen: Seen) -> None:
    """The annotations say where they are; the whole mesh has them with the name of the pod."""
    federated = [line for line in seen.federation.splitlines() if line.startswith("hits_total")]

    assert "hits_total 3" in seen.of_pod.splitlines()
    assert [line.partition('pod="counting-')[2] != "" for line in federated] == [True]


def test_a_trace_continues_that_of_the_caller(seen: Seen) -> None:
    """The spans of gateway and sidecar are one trace, below the span in the B3 headers of a caller."""
    tree = seen.trace["tree"]

    assert [(span["depth"], span["service"], span["kind"]) for span in tree] == [
        (0, "istio-ingressgateway.istio-system", "server"),
        (1, "istio-ingressgateway.istio-system", "client"),
        (2, "web.shop", "server"),
    ]
    assert tree[0]["parentId"] == B3["x-b3-spanid"]
    assert seen.trace["status"] == "200"


def test_a_proxy_logs_each_request_in_the_format_of_istio(seen: Seen) -> None:
    """Method, path, status and response flags are where they are in Istio's log."""
    pattern = re.compile(r'\[\S+\] "GET /(\w+) HTTP/1.1" (\d+) (\S+) \S+ - "-" \d+ \d+ \d+ \S+ ')
    logged = Counter(match.groups() for line in seen.access_log if (match := pattern.match(line)))

    assert logged == {
        ("web", "200", "-"): REQUESTS + 1,
        ("plain", "200", "-"): REQUESTS,
        ("nowhere", "404", "NR"): 1,
    }
