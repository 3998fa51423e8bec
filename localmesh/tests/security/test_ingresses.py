"""An Ingress in a running mesh: its paths at the gateway, beside Gateways and VirtualServices."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.security.office import GATEWAY, Request, apply, ask

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

INGRESS = """---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop, annotations: {kubernetes.io/ingress.class: istio}}
spec:
  rules:
    - host: shop.example.com
      http:
        paths:
          - {path: /api, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
          - {path: /exact, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
"""


def test_the_gateway_serves_the_paths_of_an_ingress(tmp_path: Path) -> None:
    """A prefix stands for whole segments of a path; other paths of the host have no route."""
    paths = ["/api", "/api/orders", "/apis", "/exact", "/exact/more"]

    async def run() -> list[int]:
        async with Mesh(MeshSettings(tmp_path, tmp_path)) as mesh, aiohttp.ClientSession() as session:
            await apply(mesh, INGRESS)
            requests = [Request(GATEWAY, path, headers={"Host": "shop.example.com"}) for path in paths]
            return [(await ask(mesh, request, session)).status for request in requests]

    assert asyncio.run(run()) == [200, 200, 404, 200, 404]
