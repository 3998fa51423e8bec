"""Routes of connections: destinations that do not exist, and servers of Gateways without routes."""

from __future__ import annotations

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load_text

SERVICE = """---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: tls, port: 443}]}
"""
GATEWAY = f"""{SERVICE}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
    - port: {{number: 443, name: tls, protocol: TLS}}
      hosts: ["*"]
      tls: {{mode: PASSTHROUGH}}
"""


def routed(destination: str, gateways: str, match: str = "") -> str:
    """A VirtualService with one route by name."""
    return f"""{GATEWAY}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [web.example.com]
  gateways: [{gateways}]
  tls:
    - match: [{{sniHosts: [web.example.com]{match}}}]
      route: [{{destination: {{{destination}}}}}]
"""


@pytest.mark.parametrize(
    ("manifests", "found"),
    [
        (routed("host: web", "edge"), []),
        (routed("host: wep", "edge"), ["SM201 spec.tls[0].route[0].destination.host"]),
        (
            routed("host: web, port: {number: 80}", "edge"),
            ["SM202 spec.tls[0].route[0].destination.port.number"],
        ),
        (routed("host: web, subset: v1", "edge"), ["SM203 spec.tls[0].route[0].destination.subset"]),
        (
            routed("host: web, subset: v1", "edge", ", port: 444"),
            ["SM230 spec.servers[0].port.protocol"],
        ),
        (routed("host: web", "mesh"), ["SM230 spec.servers[0].port.protocol"]),
        (routed("host: web", "edge, mesh"), []),
    ],
    ids=["fine", "host", "port", "subset", "other port", "mesh", "both"],
)
def test_a_route_of_connections_leads_from_a_gateway_to_a_cluster(manifests: str, found: list[str]) -> None:
    """As for HTTP."""
    warnings = analyze_manifests(load_text(manifests))

    assert [f"{warning.code} {warning.path}" for warning in warnings] == found


@pytest.mark.parametrize(
    ("server", "route", "routed"),
    [
        ("protocol: TCP}", "tcp", True),
        ("protocol: TCP}", "tls", False),
        ("protocol: TLS}, tls: {mode: ISTIO_MUTUAL}", "tcp", True),
        ("protocol: TLS}, tls: {mode: ISTIO_MUTUAL}", "tls", False),
        ("protocol: TLS}, tls: {mode: AUTO_PASSTHROUGH}", "", True),
        ("protocol: HTTPS}, tls: {mode: ISTIO_MUTUAL}", "", True),
    ],
)
def test_a_server_that_is_not_http_needs_routes_of_its_kind(server: str, route: str, routed: bool) -> None:
    """Nothing listens for it otherwise, in Istio, too."""
    manifests = f"""{SERVICE}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge, namespace: shop}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 443, name: any, {server}, hosts: ["*"]}}]
"""
    match = "match: [{sniHosts: [web.example.com]}], " if route == "tls" else ""
    if route:
        manifests += f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [web.example.com]
  gateways: [edge]
  {route}: [{{{match}route: [{{destination: {{host: web}}}}]}}]
"""

    codes = [warning.code for warning in analyze_manifests(load_text(manifests))]

    assert codes == ([] if routed else ["SM230"])
