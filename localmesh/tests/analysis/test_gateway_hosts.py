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


def test_a_host_that_is_served_to_other_namespaces_only_says_to_which() -> None:
    """`partner/c.example.com` is for VirtualServices of that namespace."""
    limited = GATEWAYS.replace(
        "hosts: [a.example.com]", "hosts: [partner/a.example.com, other/a.example.com]"
    )
    route = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: default}
spec: {hosts: [a.example.com], gateways: [a], http: [{directResponse: {status: 200}}]}
"""

    (problem,) = [
        problem for problem in analyze(build(load_text(limited + route).resources)) if problem.code == "SM214"
    ]

    assert problem.message == (
        '"a.example.com" is not open to namespace default at Gateway default/a, which serves it only to '
        "VirtualServices of namespace other or partner; requests for it get 404"
    )
    assert problem.fix == "write default/a.example.com or */a.example.com in hosts of the Gateway"


def test_the_name_of_a_service_is_fixed_by_the_gateway_mesh() -> None:
    """Such a host is for calls within the mesh."""
    service = """---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all}
spec: {hosts: [web], gateways: [a], http: [{directResponse: {status: 200}}]}
"""

    problems = analyze(build(load_text(GATEWAYS + service).resources))

    (fix,) = [problem.fix for problem in problems if problem.code == "SM214"]
    assert fix.startswith("add mesh to gateways")
