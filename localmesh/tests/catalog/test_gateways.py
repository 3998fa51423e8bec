"""Which workloads are gateways, and what the Gateways that select them make them serve."""

from __future__ import annotations

import pytest

from localmesh.catalog import Catalog, GatewayWorkload, Service, build
from localmesh.catalog.addressing import SyntheticAllocator, plan_gateways
from localmesh.catalog.trust import Trust
from localmesh.manifests import load_text

INGRESS = ("istio-system", "istio-ingressgateway")
EGRESS = ("istio-system", "istio-egressgateway")


def gateway(name: str, selector: str, number: int = 80, *, namespace: str = "shop") -> str:
    """A Gateway with one HTTP server for ``<name>.example.com``."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{{selector}}}
  servers: [{{port: {{number: {number}, name: http, protocol: HTTP}}, hosts: [{name}.example.com]}}]
"""


def deployment(
    name: str,
    labels: str,
    *,
    annotations: str = "inject.istio.io/templates: gateway",
    ports: str = "",
    replicas: int = 1,
) -> str:
    """A Deployment in namespace `edge`, whose pods ask for the injection template of gateways."""
    return f"""---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: edge}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{{labels}}}}}
  template:
    metadata: {{labels: {{{labels}}}, annotations: {{{annotations}}}}}
    spec: {{containers: [{{name: istio-proxy, image: auto, ports: [{ports}]}}]}}
"""


def service(name: str, selector: str, ports: str, namespace: str = "edge") -> str:
    """A Service with these ports."""
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{{selector}}}, ports: [{ports}]}}
"""


def catalog(*manifests: str) -> Catalog:
    """The catalog of these manifests."""
    return build(load_text("".join(manifests)).resources)


def workload_of(of: Catalog, key: tuple[str, str]) -> GatewayWorkload:
    """The gateway of that namespace and name."""
    workload = of.gateway(*key)
    assert workload is not None, [gateway_workload.name for gateway_workload in of.gateways]
    return workload


def served(of: GatewayWorkload) -> list[tuple[str, int, int]]:
    """The name of each server's Gateway, its port and its target port, in order."""
    return [(server.gateway, server.number, server.target_port) for server in of.servers]


def hosted(of: Catalog, host: str) -> Service:
    """The Service of that host."""
    service = of.service(host)
    assert service is not None
    return service


def test_every_selector_that_fits_is_merged_into_one_gateway() -> None:
    """By either label or both, in any namespace, on any port: one workload serves all, oldest first."""
    mesh = catalog(
        gateway("a", "istio: ingressgateway"),
        gateway("b", "istio: ingressgateway, app: istio-ingressgateway", 15030, namespace="office"),
        gateway("c", "app: istio-ingressgateway"),
        gateway("d", ""),
    )

    assert [(gateway_workload.namespace, gateway_workload.name) for gateway_workload in mesh.gateways] == [
        INGRESS
    ]
    assert served(workload_of(mesh, INGRESS)) == [
        ("shop/a", 80, 8080),
        ("office/b", 15030, 15030),
        ("shop/c", 80, 8080),
        ("shop/d", 80, 8080),
    ]


def test_a_selector_of_which_one_label_differs_selects_nothing() -> None:
    """All labels must be there; no gateway is made up for a selector."""
    mesh = catalog(gateway("a", "istio: ingressgateway, app: private"), gateway("b", "istio: private"))

    assert [(gateway_workload.name, gateway_workload.servers) for gateway_workload in mesh.gateways] == [
        ("istio-ingressgateway", ())
    ]
    assert plan_gateways(mesh.gateways, SyntheticAllocator()) == []


def test_the_ingress_gateway_is_as_istio_installs_it() -> None:
    """Its Service is there without being named, its pod has Istio's labels and identity."""
    mesh = catalog(gateway("a", "istio: ingressgateway"))
    (planned,) = plan_gateways(mesh.gateways, SyntheticAllocator())

    service = hosted(catalog(), "istio-ingressgateway.istio-system.svc.cluster.local")
    assert [(port.name, port.number, port.target) for port in service.ports] == [
        ("status-port", 15021, 15021),
        ("http2", 80, 8080),
        ("https", 443, 8443),
    ]
    expected = {
        "app": "istio-ingressgateway",
        "istio": "ingressgateway",
        "service.istio.io/canonical-name": "istio-ingressgateway",
        "operator.istio.io/component": "IngressGateways",
    }
    assert expected.items() <= planned.proxy.labels.items()
    assert Trust().identity(planned.proxy.namespace, planned.proxy.service_account) == (
        "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
    )
    assert service.selects("istio-system", planned.pod.labels)


TO_EGRESS = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: out, namespace: shop}
spec:
  hosts: [out.example.com]
  http: [{route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local}}]}]
"""
EGRESS_RULE = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: out, namespace: istio-system}
spec: {host: istio-egressgateway}
"""


@pytest.mark.parametrize(
    ("manifests", "has_service", "has_pods"),
    [
        ("", False, False),
        (gateway("a", "istio: ingressgateway"), False, False),
        (gateway("a", ""), False, False),
        (gateway("a", "release: istio"), False, False),
        (gateway("a", "istio: egressgateway"), True, True),
        (TO_EGRESS, True, False),
        (EGRESS_RULE, True, False),
        (gateway("a", "istio: egressgateway") + deployment("out", "istio: egressgateway"), False, False),
    ],
    ids=["nothing", "ingress", "all", "both", "selected", "routed to", "rule", "brought along"],
)
def test_the_egress_gateway_is_there_where_it_is_selected_or_named(
    manifests: str, has_service: bool, has_pods: bool
) -> None:
    """Its Service for routes and rules to it, its pod only for a Gateway that means it alone."""
    mesh = catalog(manifests)

    service = mesh.service("istio-egressgateway.istio-system.svc.cluster.local")
    pods = [
        plan
        for plan in plan_gateways(mesh.gateways, SyntheticAllocator())
        if (plan.proxy.namespace, plan.proxy.workload) == EGRESS
    ]

    assert (service is not None, len(pods) == 1) == (has_service, has_pods)


def test_objects_of_the_manifests_take_the_place_of_istios() -> None:
    """A Service of the same name and namespace has its own ports, and they decide the target ports."""
    mesh = catalog(
        gateway("a", "istio: ingressgateway", 443),
        service(
            "istio-ingressgateway", "istio: ingressgateway", "{port: 443, targetPort: 9443}", "istio-system"
        ),
    )

    assert served(workload_of(mesh, INGRESS)) == [("shop/a", 443, 9443)]
    assert [
        port.number for port in hosted(mesh, "istio-ingressgateway.istio-system.svc.cluster.local").ports
    ] == [443]


def test_a_deployment_that_asks_for_the_gateway_template_is_a_gateway() -> None:
    """Its labels, its Service and its ServiceAccount are its own, and no application runs in its pods."""
    mesh = catalog(
        gateway("private", "tier: edge"),
        deployment("front", "tier: edge, app: front", ports="{containerPort: 8081, name: web}", replicas=2),
        service("front", "app: front", "{name: http, port: 80, targetPort: web}"),
    )
    front = workload_of(mesh, ("edge", "front"))

    assert served(front) == [("shop/private", 80, 8081)]
    assert mesh.workloads == ()
    planned = plan_gateways([front], SyntheticAllocator())
    assert len({pod.proxy.name for pod in planned}) == 2
    assert {Trust().identity(pod.proxy.namespace, pod.proxy.service_account) for pod in planned} == {
        "spiffe://cluster.local/ns/edge/sa/default"
    }
    assert len({address for pod in planned for address in pod.proxy.listen.values()}) == 2


def test_the_pods_of_a_gateway_are_endpoints_of_their_service() -> None:
    """Where they listen, at the target port."""
    mesh = catalog(
        gateway("private", "app: front"),
        deployment("front", "app: front"),
        service("front", "app: front", "{name: http, port: 80, targetPort: 8081}"),
    )
    (planned,) = plan_gateways(mesh.gateways, SyntheticAllocator())

    running = mesh.with_pods([planned.as_endpoint(ready=True)])

    (pod,) = running.pods_of(hosted(running, "front.edge.svc.cluster.local"))
    assert (pod.ready, pod.address(8081)) == (True, planned.proxy.listen[8081])
    assert not pod.has_sidecar


@pytest.mark.parametrize(
    ("annotations", "labels", "is_gateway"),
    [
        ("inject.istio.io/templates: gateway", "app: front", True),
        ('inject.istio.io/templates: "custom, gateway"', "app: front", True),
        ("inject.istio.io/templates: sidecar", "app: front", False),
        ("inject.istio.io/templates: gateway", 'app: front, sidecar.istio.io/inject: "false"', False),
        ("", "app: front", False),
    ],
)
def test_only_what_istio_injects_a_gateway_into_is_one(
    annotations: str, labels: str, is_gateway: bool
) -> None:
    """The annotation names templates, and a pod that refuses injection gets none of them."""
    mesh = catalog(deployment("front", labels, annotations=annotations))

    assert (mesh.gateway("edge", "front") is not None) == is_gateway
    assert [workload.name for workload in mesh.workloads] == ([] if is_gateway else ["front"])


def test_a_deployment_that_runs_istios_proxy_as_a_router_is_a_gateway() -> None:
    """As in the manifests that istioctl generates, which are not injected."""
    router = deployment("front", 'app: front, sidecar.istio.io/inject: "false"', annotations="").replace(
        "image: auto", "image: proxyv2, args: [proxy, router, --domain, cluster.local]"
    )

    assert catalog(router).gateway("edge", "front") is not None


def test_istios_own_gateway_cannot_listen_on_low_ports() -> None:
    """Its pods run without privileges: port 81, which its Service does not map, is left out there."""
    mesh = catalog(
        gateway("a", "", 81),
        gateway("b", "istio: ingressgateway", 8081),
        deployment("front", "app: front"),
    )

    assert served(workload_of(mesh, INGRESS)) == [("shop/b", 8081, 8081)]
    assert served(workload_of(mesh, ("edge", "front"))) == [("shop/a", 81, 81)]


def test_the_first_service_by_host_that_has_the_port_decides_where_it_leads() -> None:
    """Two Services in front of one gateway; a Service of another namespace has no say."""
    mesh = catalog(
        gateway("a", "app: front"),
        deployment("front", "app: front"),
        service("b", "app: front", "{name: http, port: 80, targetPort: 8002}"),
        service("a", "app: front", "{name: other, port: 90, targetPort: 9001}"),
        service("c", "app: front", "{name: http, port: 80, targetPort: 8003}"),
        service("a", "app: front", "{name: http, port: 80, targetPort: 8004}", namespace="elsewhere"),
    )

    assert served(workload_of(mesh, ("edge", "front"))) == [("shop/a", 80, 8002)]


def tls_gateway(name: str, hosts: str, number: int = 443) -> str:
    """A Gateway with one server that takes mTLS of the mesh."""
    return f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
    - port: {{number: {number}, name: https, protocol: HTTPS}}
      hosts: [{hosts}]
      tls: {{mode: ISTIO_MUTUAL}}
"""


@pytest.mark.parametrize(
    ("manifests", "winners"),
    [
        ((gateway("a", "istio: ingressgateway", 443), tls_gateway("b", "b.example.com")), ["shop/a"]),
        (
            (tls_gateway("b", "b.example.com"), gateway("a", "istio: ingressgateway", 443)),
            ["shop/b", "shop/a"],
        ),
        ((tls_gateway("b", '"*"'), gateway("a", "istio: ingressgateway", 443)), ["shop/b"]),
        ((tls_gateway("a", "x.example.com, a.example.com"), tls_gateway("b", "x.example.com")), ["shop/a"]),
        ((tls_gateway("a", "shop/x.example.com"), tls_gateway("b", "x.example.com")), ["shop/a"]),
        ((tls_gateway("a", "a.example.com"), tls_gateway("b", "b.example.com")), ["shop/a", "shop/b"]),
        ((tls_gateway("a", "x.example.com"), tls_gateway("b", "x.example.com", 9443)), ["shop/a", "shop/b"]),
    ],
    ids=[
        *("HTTP is older", "TLS is older", "TLS for all is older", "one host twice"),
        *("one host for other namespaces", "two hosts", "two ports"),
    ],
)
def test_of_servers_that_exclude_each_other_the_oldest_counts(
    manifests: tuple[str, ...], winners: list[str]
) -> None:
    """TLS is not added to plain HTTP, plain HTTP not to TLS for all hosts, and a host has TLS once."""
    workload = workload_of(catalog(*manifests), INGRESS)

    assert [server.gateway for server in workload.servers] == winners
    assert len(workload.conflicts) == len(manifests) - len(winners)


def test_a_server_with_tls_has_routes_of_its_own() -> None:
    """Named after the server; those of plain HTTP are named after the target port."""
    servers = workload_of(catalog(tls_gateway("a", "a.example.com"), gateway("b", "")), INGRESS).servers

    assert [server.route_name for server in servers] == ["https.443.https.a.shop", "http.8080"]
