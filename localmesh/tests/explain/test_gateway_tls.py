"""Which server of a gateway takes a connection."""

from __future__ import annotations

import pytest

from localmesh.explain import Explainer, Request
from localmesh.manifests import load_text
from localmesh.tests.web import WEB

MANIFESTS = (
    WEB
    + """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 443, name: a, protocol: HTTPS}
      hosts: [a.example.com]
      tls: {mode: SIMPLE, credentialName: a}
    - port: {number: 443, name: wild, protocol: HTTPS}
      hosts: ["*.wild.example.com"]
      tls: {mode: SIMPLE, credentialName: wild}
    - port: {number: 443, name: mesh, protocol: HTTPS}
      hosts: [mesh.example.com]
      tls: {mode: ISTIO_MUTUAL}
    - port: {number: 443, name: passed, protocol: TLS}
      hosts: [passed.example.com]
      tls: {mode: PASSTHROUGH}
    - {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.com]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [a.example.com, "*.wild.example.com", mesh.example.com]
  gateways: [edge]
  http: [{route: [{destination: {host: web}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: passed, namespace: shop}
spec:
  hosts: [passed.example.com]
  gateways: [edge]
  tls: [{match: [{sniHosts: [passed.example.com]}], route: [{destination: {host: web, port: {number: 80}}}]}]
"""
)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer.of(load_text(MANIFESTS).resources)


@pytest.mark.parametrize(
    ("url", "configuration"),
    [
        ("https://a.example.com/", "https.443.a.edge.shop"),
        ("https://b.wild.example.com/", "https.443.wild.edge.shop"),
        ("http://a.example.com/", "http.8080"),
        ("https://passed.example.com/", ""),
    ],
)
def test_the_server_for_the_name_takes_the_connection(
    url: str, configuration: str, explainer: Explainer
) -> None:
    """By the name that the client asks for; a connection that is passed on has no HTTP routes."""
    explanation = explainer.explain(Request.to(url))

    routing = explanation.hops[0].routing
    assert routing is not None
    assert routing.configuration == configuration
    assert [outcome.workload for outcome in explanation.outcomes] == ["web"]


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("https://c.example.com/", "takes TLS for certain names only, and not TLS for c.example.com"),
        ("https://mesh.example.com/", "takes mTLS of the mesh only"),
        ("http://a.example.com:443/", "takes TLS for certain names only, and not plain HTTP"),
        ("https://a.example.com:80/", "takes plain HTTP, and not TLS"),
        ("http://a.example.com:4711/", "does not listen on port 4711"),
    ],
)
def test_a_connection_that_no_server_takes_is_closed(url: str, cause: str, explainer: Explainer) -> None:
    """Without an answer, and the explanation says what the port takes."""
    answer = explainer.explain(Request.to(url)).answer

    assert answer is not None
    assert answer.status is None
    assert cause in answer.cause
