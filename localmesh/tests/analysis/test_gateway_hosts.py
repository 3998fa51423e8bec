"""Hosts of VirtualServices at gateways: a host has to be served by one of the Gateways that are named."""

from __future__ import annotations

from localmesh.analysis import analyze
from localmesh.catalog import build
from localmesh.manifests import load_text

GATEWAYS = "".join(
    f"""---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: [{name}.example.com]}}]
"""
    for name in ("a", "b")
)


def warnings(hosts: str, gateways: str) -> list[str]:
    """The messages of SM214 about a VirtualService with these hosts at these gateways."""
    route = f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: all}}
spec:
  hosts: [{hosts}]
  gateways: [{gateways}]
  http: [{{directResponse: {{status: 200}}}}]
"""
    problems = analyze(build(load_text(GATEWAYS + route).resources))
    return [problem.message for problem in problems if problem.code == "SM214"]


def test_a_host_may_be_served_by_any_of_the_gateways() -> None:
    """As in istioctl, a VirtualService may share its hosts between its gateways."""
    assert warnings("a.example.com, b.example.com", "a, b") == []


def test_a_host_that_no_gateway_serves_is_reported_once() -> None:
    (message,) = warnings("a.example.com, c.example.com", "a, b")

    assert message == (
        '"c.example.com" is not a host of Gateway default/a or Gateway default/b, which serve '
        "a.example.com and b.example.com; requests for it get 404"
    )
