"""The graph that the live page draws: who calls whom, and what is configured for it."""

from __future__ import annotations

from typing import Any

from localmesh.explain import Explainer
from localmesh.manifests import load_text
from localmesh.telemetry.graph import CLIENTS, Graph, edge_id, graph_of
from localmesh.tests.mesh.shop import BASE, V1, V2, routed

GATEWAY, WEB_V1, WEB_V2 = "istio-system/istio-ingressgateway", "shop/web-v1", "shop/web-v2"
CLUSTER = "outbound|80||web.shop.svc.cluster.local"
CALLER = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: caller, namespace: shop}
spec:
  selector: {matchLabels: {app: caller}}
  template:
    metadata: {labels: {app: caller}}
    spec: {containers: [{name: caller, image: stub, env: [{name: WEB, value: "http://web/path"}]}]}
"""


def graph(text: str, *seen: tuple[str, str]) -> Graph:
    explainer = Explainer.of(load_text(text).resources)
    return graph_of(explainer, explainer.catalog.workloads, seen)


def edge(of: Graph, source: str, target: str) -> Any:
    return next(each for each in of.as_json()["edges"] if each["id"] == edge_id(source, target))


def edges(of: Graph) -> set[tuple[str, str]]:
    return {(each["source"], each["target"]) for each in of.as_json()["edges"]}


def test_routes_of_gateways_are_edges_before_any_request() -> None:
    """With their weights as the expected shares, and mTLS to pods with sidecars."""
    made = graph(BASE + V1 + V2 + routed(v1=90, v2=10))

    assert edges(made) == {(CLIENTS, GATEWAY), (GATEWAY, WEB_V1), (GATEWAY, WEB_V2)}
    assert edge(made, GATEWAY, WEB_V2)["expected"] == {"percent": 10.0, "exclusive": True}
    assert edge(made, GATEWAY, WEB_V2)["tls"] == "mTLS"


def test_urls_in_the_environment_are_edges_before_any_request() -> None:
    """A workload is expected to call the Services that its containers are configured with."""
    made = graph(BASE + V1 + V2 + CALLER)

    assert ("shop/caller", WEB_V1) in edges(made)
    assert ("shop/caller", WEB_V2) in edges(made)


def test_calls_that_were_seen_become_edges() -> None:
    """Also those that no route of a gateway and no URL told about."""
    made = graph(BASE + V1 + V2, (WEB_V1, "outbound|80|v2|web.shop.svc.cluster.local"))

    assert (WEB_V1, WEB_V2) in edges(made)


def test_a_cluster_with_two_versions_has_an_edge_to_each() -> None:
    """Which endpoints got how much is then read from the endpoints."""
    made = graph(BASE + V1 + V2, (WEB_V1, CLUSTER))

    assert [link.targets for link in made.links] == [(WEB_V1, WEB_V2)]
    assert made.links[0].watches_endpoints


def test_a_subset_without_pods_is_a_node_of_its_own() -> None:
    """Requests to it get 503: the picture shows where they end."""
    made = graph(BASE + V1 + V2 + routed(v1=50, v3=50))

    missing = [node for node in made.nodes if node.kind == "missing"]

    assert [(node.name, node.version) for node in missing] == [("web", "v3")]
    assert (GATEWAY, missing[0].id) in edges(made)


def test_copies_and_faults_are_marked() -> None:
    """A mirror's edge has copies only; faults say their odds and for which requests they are."""
    rules = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
    - match: [{headers: {user: {exact: me}}}]
      fault: {abort: {httpStatus: 418, percentage: {value: 25}}}
      route: [{destination: {host: web, subset: v1}}]
    - route: [{destination: {host: web, subset: v1}}]
      mirror: {host: web, subset: v2}
      mirrorPercentage: {value: 40}
"""
    made = graph(BASE + V1 + V2 + rules)

    assert edge(made, GATEWAY, WEB_V2)["mirror"] == {"percent": 40.0, "only": True}
    assert edge(made, GATEWAY, WEB_V1)["mirror"] is None
    fault = {"percent": 25.0, "delay": "", "status": 418, "when": ['headers[user] exact "me"']}
    assert edge(made, GATEWAY, WEB_V1)["faults"] == [fault]


def test_circuit_breakers_outlier_detection_and_strict_mtls_are_marked() -> None:
    """Each comes from the object that is for it."""
    rules = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  trafficPolicy:
    connectionPool: {http: {http2MaxRequests: 3}}
    outlierDetection: {consecutive5xxErrors: 2}
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
"""
    before, _, after = BASE.partition("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule")
    gateway = "---\napiVersion: networking.istio.io/v1\nkind: Gateway" + after.partition("kind: Gateway")[2]
    made = graph(before + rules + gateway + V1 + routed(v1=1))

    found = edge(made, GATEWAY, WEB_V1)

    assert (found["limits"], found["ejects"]) == (True, True)
    assert next(node.mtls for node in made.nodes if node.id == WEB_V1) == "STRICT"


def test_a_share_is_not_exclusive_if_other_routes_lead_there() -> None:
    """Their requests count as well, so that the observed share can differ."""
    rules = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
    - match: [{headers: {user: {exact: me}}}]
      route: [{destination: {host: web, subset: v2}}]
    - route:
        - {destination: {host: web, subset: v1}, weight: 80}
        - {destination: {host: web, subset: v2}, weight: 20}
"""
    made = graph(BASE + V1 + V2 + rules)

    assert edge(made, GATEWAY, WEB_V2)["expected"] == {"percent": 20.0, "exclusive": False}
