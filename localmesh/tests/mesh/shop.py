"""A small mesh of stubs: a gateway in front of two versions of `web`."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from localmesh.manifests import load_text
from localmesh.runtime.changes import Changes
from localmesh.runtime.mesh import Mesh, MeshSettings


def _deployment(version: str, extra: str = "") -> str:
    return f"""---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-{version}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web, version: {version}}}}}
  template:
    metadata: {{labels: {{app: web, version: {version}}}}}
    spec: {{containers: [{{name: web, image: stub, ports: [{{containerPort: 8080}}]{extra}}}]}}
"""


BASE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
    - {name: v3, labels: {version: v3}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""
V1, V2, V3 = _deployment("v1"), _deployment("v2"), _deployment("v3")
DYING_V2 = _deployment("v2", ', command: [sh, -c, "echo no database >&2; exit 7"]')


def routed(**weights: int) -> str:
    """A VirtualService at the gateway with these weights by version."""
    destinations = "".join(
        f"\n        - {{destination: {{host: web, subset: {version}}}, weight: {weight}}}"
        for version, weight in weights.items()
    )
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
    - route:{destinations}
"""


@asynccontextmanager
async def mesh_of(folder: Path, text: str) -> AsyncIterator[Mesh]:
    """A running mesh of these manifests."""
    async with Mesh(MeshSettings(folder / "state", folder)) as mesh:
        await apply(mesh, text)
        yield mesh


async def apply(mesh: Mesh, text: str) -> Changes:
    """Makes the mesh what the manifests say."""
    loaded = load_text(text)
    return await mesh.apply(loaded.resources, loaded.ignored)


def gateway_url(mesh: Mesh) -> str:
    """Where the gateway listens."""
    return f"http://{next(iter(mesh.gateways.values())).proxy.listen[8080]}/"


async def answers(mesh: Mesh, count: int) -> Counter[str]:
    """Who answered `count` calls through the gateway: a version, or the status of a failure."""
    counts: Counter[str] = Counter()
    async with aiohttp.ClientSession() as session:
        for _ in range(count):
            async with session.get(gateway_url(mesh)) as answer:
                counts[(await answer.json())["version"] if answer.status == 200 else str(answer.status)] += 1
    return counts
