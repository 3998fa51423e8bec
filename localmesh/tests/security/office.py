"""A small mesh to protect: a gateway, two clients with their own ServiceAccounts, and `web`, their server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh
from localmesh.translate.from_manifests import find


def _workload(name: str, namespace: str) -> str:
    return f"""---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {name}, namespace: {namespace}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      serviceAccountName: {name}
      containers: [{{name: {name}, image: stub, ports: [{{containerPort: 8080}}]}}]
"""


BASE = (
    _workload("web", "shop")
    + _workload("client", "shop")
    + _workload("other", "office")
    + """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: ["*"], gateways: [edge], http: [{route: [{destination: {host: web}}]}]}
"""
)

OUTSIDE = "outside"
"""A caller without a sidecar, which calls the pod's sidecar in plain text."""
GATEWAY = "istio-ingressgateway"


@dataclass(frozen=True)
class Request:
    """A request to `web` from a workload, the gateway or a client outside the mesh."""

    sender: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The status (0: the connection was refused), the body, and the request as the application saw it."""

    status: int
    body: str = ""

    @property
    def seen_headers(self) -> Mapping[str, str]:
        headers: dict[str, str] = json.loads(self.body)["headers"]
        return headers


async def ask(mesh: Mesh, request: Request, session: aiohttp.ClientSession) -> Answer:
    """Sends a request and returns its answer."""
    url, via = _way(mesh, request)
    try:
        async with session.request(
            request.method, url, proxy=via, headers={"Host": "web.shop", **request.headers}
        ) as answer:
            return Answer(answer.status, await answer.text())
    except aiohttp.ClientError:
        return Answer(0)


def _way(mesh: Mesh, request: Request) -> tuple[str, str | None]:
    if request.sender == OUTSIDE:
        inbound = find(mesh.desired_state.proxies, "web").inbound[0]
        return f"http://{inbound.listen}{request.path}", None
    proxy = find(mesh.desired_state.proxies, request.sender)
    if proxy.outbound is None:
        return f"http://{proxy.listen[8080]}{request.path}", None
    return f"http://web.shop{request.path}", f"http://{proxy.outbound}"


async def apply(mesh: Mesh, policies: str) -> None:
    """Applies this mesh with these policies."""
    loaded = load_text(BASE + policies)
    await mesh.apply(loaded.resources, loaded.ignored)
