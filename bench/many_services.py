"""Manifests of many Services, each with two subsets and a VirtualService, and of pods that see them."""

from __future__ import annotations

PROXIES = 12
"""Eleven sidecars and a gateway."""

_SERVICE = """---
apiVersion: v1
kind: Service
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}}}
spec:
  host: {name}
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
"""

_ROUTES = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: [{name}]
  http:
    - route:
        - {{destination: {{host: {name}, subset: v1}}, weight: {share}}}
        - {{destination: {{host: {name}, subset: v2}}, weight: {rest}}}
"""

_POD = """---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}, version: v1}}}}
  template:
    metadata: {{labels: {{app: {name}, version: v1}}}}
    spec: {{containers: [{{name: stub, image: {image}, ports: [{{containerPort: 8080}}]{command}}}]}}
"""

_EDGE = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""


def services(count: int) -> str:
    """Return Services with their DestinationRules and VirtualServices, all 80/20."""
    names = [f"service-{number}" for number in range(count)]
    return "".join(_SERVICE.format(name=name) + routes(name, 80) for name in names)


def routes(name: str, share: int) -> str:
    """Return the VirtualService of a Service, with this share for v1."""
    return _ROUTES.format(name=name, share=share, rest=100 - share)


def pods(count: int, *, image: str = "stub", command: str = "") -> str:
    """Return a pod behind each of the first Services."""
    extra = f", command: {command}" if command else ""
    return "".join(
        _POD.format(name=f"service-{number}", image=image, command=extra) for number in range(count)
    )


def edge(share: int) -> str:
    """Return a gateway and a VirtualService for it."""
    name = "web.example.com"
    bound = _ROUTES.format(name="edge", share=share, rest=100 - share)
    return _EDGE + bound.replace("hosts: [edge]", f"hosts: [{name}]\n  gateways: [edge]").replace(
        "host: edge", "host: service-0"
    )
