"""The Gateway API: what its objects become, where that is written, and what the statuses remember."""

from __future__ import annotations

from datetime import UTC, datetime

from localmesh.analysis import analyze
from localmesh.catalog import Catalog, build
from localmesh.catalog.gateway_api.transitions import with_times
from localmesh.kinds.gateway_api import HTTP_ROUTE
from localmesh.manifests import load_text
from localmesh.problems import FieldPath

MESH = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop, labels: {team: web}}
spec:
  gatewayClassName: istio
  listeners:
    - {name: http, port: 80, protocol: HTTP}
    - {name: same.port, port: 80, protocol: HTTP, hostname: a.example.com}
    - {name: other, port: 8081, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: edge, sectionName: http}]
  rules:
    - {backendRefs: [{name: web, port: 80}]}
    - matches: [{path: {value: /a}}, {path: {value: /a/b}}]
      backendRefs: [{name: web, port: 80, weight: 0}, {name: web, port: 81, weight: 1}, {name: web, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
"""


def _mesh(text: str = MESH, before: Catalog | None = None) -> Catalog:
    return build(load_text(text).resources, before)


def test_a_gateway_brings_a_deployment_and_a_service() -> None:
    """One port for each number of a listener, the status port before them, and the labels of the Gateway."""
    catalog = _mesh()
    gateway = next(gateway for gateway in catalog.gateways if gateway.namespace == "shop")
    service = catalog.service("edge-istio.shop.svc.cluster.local")

    assert gateway.name == "edge-istio"
    assert gateway.workload.service_account == "edge-istio"
    assert gateway.labels["team"] == "web"
    assert service is not None
    assert [(port.name, port.number) for port in service.ports] == [
        ("status-port", 15021),
        ("http", 80),
        ("other", 8081),
    ]


def test_a_deployment_of_that_name_in_another_namespace_serves_nothing() -> None:
    """A listener belongs to the Service of its own Gateway, whatever the labels of other pods."""
    catalog = _mesh()
    ingress = next(gateway for gateway in catalog.gateways if gateway.namespace == "istio-system")

    assert ingress.servers == ()


def test_rules_matches_and_backends_are_where_the_route_says() -> None:
    """The more specific match is the first route; a backend without weight is left out."""
    (virtual_service,) = _mesh().virtual_services

    first, second, third = virtual_service.origins
    matched, _ = (
        virtual_service.resource.origin(FieldPath("spec", "http", index, "match", 0)) for index in (0, 1)
    )
    backends = [destination.path for destination in virtual_service.destinations[0]]

    assert first.resource.is_a(HTTP_ROUTE)
    assert [str(origin.path) for origin in (first, second, third)] == [
        "spec.rules[1]",
        "spec.rules[1]",
        "spec.rules[0]",
    ]
    assert str(matched[1]) == "spec.rules[1].matches[1]"
    assert [str(path) for path in backends] == [f"spec.rules[1].backendRefs[{index}]" for index in (1, 2)]


def test_a_port_that_the_service_does_not_have_is_reported_at_the_backend() -> None:
    """With the status that a gateway answers."""
    (problem,) = (problem for problem in analyze(_mesh()) if problem.code == "SM202")

    assert str(problem.path) == "spec.rules[1].backendRefs[1].port"
    assert "500" in str(problem)


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    """An apply that changes nothing about an object leaves its status as it was."""
    first, second = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    key = ("HTTPRoute", "shop", "web")

    def status(accepted: str) -> dict[tuple[str, str, str], dict[str, object]]:
        conditions = [{"type": "Accepted", "status": accepted}, {"type": "ResolvedRefs", "status": "True"}]
        return {key: {"parents": [{"parentRef": {"name": "edge"}, "conditions": conditions}]}}

    before = with_times(status("True"), {}, first)
    after = with_times(status("False"), before, second)

    times = [condition["lastTransitionTime"] for condition in after[key]["parents"][0]["conditions"]]
    assert times == ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]
