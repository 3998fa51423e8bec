"""Requests to ports that are TCP: the sidecar passes them on as bytes, and its network filters decide."""

from __future__ import annotations

import pytest

from localmesh.explain import Explainer, Explanation, Request
from localmesh.manifests import load_text
from localmesh.tests.web import WEB

MESH = (
    WEB.replace("name: http, port: 80", "name: tcp-web, port: 8000")
    + """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.test]}
    - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [shop.test]
  gateways: [edge]
  http: [{route: [{destination: {host: web, port: {number: 8000}}}]}]
  tcp: [{match: [{port: 9000}], route: [{destination: {host: web, port: {number: 8000}}}]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: MODE}}
---
"""
)
GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"


def policy(action: str, rule: str) -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: readers, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: web}}}}, action: {action}, rules: [{rule}]}}
"""


def explained(extra: str, url: str = "http://shop.test/", method: str = "GET") -> Explanation:
    manifests = MESH.replace("MODE", "STRICT") + extra
    return Explainer.of(load_text(manifests).resources).explain(Request.to(url, method=method))


@pytest.mark.parametrize(
    ("action", "rule", "is_allowed"),
    [
        ("ALLOW", "{to: [{operation: {methods: [GET]}}]}", False),
        ("ALLOW", f'{{from: [{{source: {{principals: ["{GATEWAY}"]}}}}]}}', True),
        ("ALLOW", '{from: [{source: {principals: ["cluster.local/ns/shop/sa/other"]}}]}', False),
        ("DENY", "{to: [{operation: {methods: [DELETE]}}]}", False),
        ("DENY", '{to: [{operation: {methods: [GET], ports: ["9999"]}}]}', True),
        ("DENY", '{when: [{key: "request.headers[x-a]", values: [b]}]}', False),
    ],
)
def test_only_conditions_on_the_connection_count(action: str, rule: str, is_allowed: bool) -> None:
    """A rule that allows by the request allows nothing; one that denies by it denies every request."""
    (outcome,) = explained(policy(action, rule)).outcomes

    refused = None if is_allowed else (503, "UC")
    assert (outcome.answer and (outcome.answer.status, outcome.answer.flag)) == refused


@pytest.mark.parametrize(("names", "is_allowed"), [("methods: [GET]", False), ('ports: ["8080"]', True)])
def test_a_gateway_that_forwards_connections_meets_the_policies_too(names: str, is_allowed: bool) -> None:
    """The client sees its connection end, as no proxy on the way speaks HTTP."""
    explanation = explained(
        policy("ALLOW", f"{{to: [{{operation: {{{names}}}}}]}}"), "http://shop.test:9000/"
    )

    assert [hop.kind.value for hop in explanation.hops] == ["gateway", "inbound"]
    assert explanation.hops[1].connection is not None
    assert explanation.hops[1].connection.client.endswith("/sa/istio-ingressgateway-service-account")
    (outcome,) = explanation.outcomes
    assert (outcome.answer is None) is is_allowed
    assert outcome.answer is None or outcome.answer.status is None


def test_the_policies_of_a_gateway_judge_connections_that_it_forwards() -> None:
    """Those that select the gateway, and by the connection alone."""
    at_gateway = policy("DENY", "{to: [{operation: {methods: [GET]}}]}").replace(
        "namespace: shop}", "namespace: istio-system}"
    )

    explanation = explained(at_gateway.replace("app: web", "istio: ingressgateway"), "http://shop.test:9000/")

    assert [hop.kind.value for hop in explanation.hops] == ["gateway"]
    assert explanation.answer is not None
    assert explanation.answer.status is None
    assert "istio-system/readers" in explanation.answer.cause


def test_a_rule_says_which_conditions_a_tcp_port_cannot_check() -> None:
    """Those on the request, also where they are among conditions on the connection."""
    rule = "{from: [{source: {principals: ['*']}}], to: [{operation: {methods: [GET], paths: [/a]}}]}"

    authorization = explained(policy("ALLOW", rule)).hops[-1].authorization

    assert authorization is not None
    (described,) = authorization.rules
    assert described.unchecked == ("methods", "paths")
    assert not described.matched


def test_the_application_gets_the_request_as_the_gateway_sends_it() -> None:
    """No token is checked, and the application is not told who calls."""
    (outcome,) = explained("").outcomes

    assert outcome.workload == "web"
    assert outcome.message is not None
    assert outcome.message.identity == ""


CALLED = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec:
  hosts: [a.example.com, b.example.com]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside, namespace: shop}
spec:
  hosts: [a.example.com]
  tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: b.example.com}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: calls, namespace: shop}
spec:
  hosts: [web]
  http: [{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: web}}]}]
  tcp:
    - match: [{sourceLabels: {app: web}}]
      route:
        - {destination: {host: web}, weight: 3}
        - {destination: {host: b.example.com, port: {number: 443}}, weight: 1}
"""


def called(url: str) -> Explanation:
    """A call by the sidecar of `web`."""
    resources = load_text(MESH.replace("MODE", "STRICT") + CALLED).resources
    return Explainer.of(resources).explain(Request.to(url, source="web"))


def test_a_sidecar_routes_connections_by_tcp_routes_alone() -> None:
    """The HTTP routes of the host do not apply; the caller's labels and the weights do."""
    outcomes = called("http://web:8000/").outcomes

    assert [(outcome.workload, outcome.percent) for outcome in outcomes] == [("web", 75.0), ("", 25.0)]
    assert all(outcome.answer is None for outcome in outcomes)


@pytest.mark.parametrize(
    ("url", "cluster"),
    [
        ("https://a.example.com/", "outbound|443||b.example.com"),
        ("https://b.example.com/", "outbound|443||b.example.com"),
        ("http://a.example.com:443/", "PassthroughCluster"),
    ],
)
def test_a_sidecar_routes_tls_by_the_name_of_the_host(url: str, cluster: str) -> None:
    """What is not TLS, or for another name, is for hosts that nobody knows."""
    (outcome,) = called(url).outcomes

    assert outcome.destination is not None
    assert outcome.destination.cluster == cluster


def test_a_request_for_an_unknown_host_at_a_tcp_port_leaves_the_mesh() -> None:
    """The proxy has a route configuration for the port, because of the Service that has it."""
    (outcome,) = called("http://unknown:8000/").outcomes

    assert outcome.destination is not None
    assert outcome.destination.cluster == "PassthroughCluster"


ROUTED = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inside, namespace: shop}
spec:
  hosts: [web]
  tcp:
    - {match: [{port: 7000}], route: [{destination: {host: web}}]}
    - match: [{sourceLabels: {app: nobody}}, {port: 8000}]
      route: [{destination: {host: web, port: {number: 8000}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: caller, namespace: shop}
spec:
  selector: {matchLabels: {app: caller}}
  template:
    metadata: {labels: {app: caller}}
    spec: {containers: [{name: caller, image: stub}]}
"""


@pytest.mark.parametrize(
    ("url", "source", "rule"),
    [
        ("http://shop.test:9000/", "outside", "VirtualService shop/web spec.tcp[0].match[0]"),
        ("http://web.shop:8000/", "caller", "VirtualService shop/inside spec.tcp[1].match[1]"),
    ],
)
def test_the_rule_that_forwards_a_connection_is_named(url: str, source: str, rule: str) -> None:
    """With its place in the VirtualService, at a gateway and at a sidecar."""
    manifests = MESH.replace("MODE", "STRICT") + ROUTED
    request = Request.to(url, source=source)
    (first, *_) = Explainer.of(load_text(manifests).resources).explain(request).hops

    found = first.routing.connection_rule if first.routing is not None else None

    assert found is not None
    assert f"{found.resource.place.subject} {found.path}" == rule


QUIET = """
apiVersion: v1
kind: Service
metadata: {name: quiet, namespace: shop}
spec: {clusterIP: None, selector: {app: quiet}, ports: [{name: tcp, port: 9100}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: quiet, namespace: shop}
spec:
  serviceName: quiet
  replicas: 2
  selector: {matchLabels: {app: quiet}}
  template:
    metadata: {labels: {app: quiet}}
    spec: {containers: [{name: quiet, image: stub, ports: [{containerPort: 9100}]}]}
"""


@pytest.mark.parametrize(
    ("host", "pods"),
    [
        ("quiet", ("quiet-0", "quiet-1")),
        ("quiet-1.quiet", ("quiet-1",)),
        ("quiet-0.quiet.shop", ("quiet-0",)),
    ],
)
def test_the_name_of_a_pod_leads_to_this_pod(host: str, pods: tuple[str, ...]) -> None:
    """That of the headless Service leads to any of its pods."""
    explainer = Explainer.of(load_text(QUIET).resources)

    explanation = explainer.explain(Request.to(f"http://{host}:9100/", source="quiet"))

    routing = explanation.hops[0].routing
    assert routing is not None
    assert [destination.pods for destination in routing.destinations] == [pods]
