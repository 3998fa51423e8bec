"""A Sidecar declares the port of its pods; their application listens at another one, on the loopback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.security.office import BASE, Request, ask

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

DECLARED = (
    BASE.replace(
        "metadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: "
        "[{name: http, port: 80, targetPort: 8080}]}",
        "metadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: "
        "[{name: http, port: 80, targetPort: 9080}]}",
    )
    + """---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: shop}
spec:
  workloadSelector: {labels: {app: web}}
  ingress: [{port: {number: 9080, name: http, protocol: HTTP}, defaultEndpoint: "127.0.0.1:8080"}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {ports: ["9080"], methods: [GET]}}]}]}
"""
)


def test_requests_reach_the_application_behind_the_declared_port(tmp_path: Path) -> None:
    """The Service sends to the sidecar's port, policies name it, and the application has another one."""
    assert "targetPort: 9080" in DECLARED

    async def run() -> list[int]:
        async with Mesh(MeshSettings(tmp_path, tmp_path)) as mesh, aiohttp.ClientSession() as session:
            await mesh.apply(load_text(DECLARED).resources)
            requests = (Request("client"), Request("client", method="POST"))
            return [(await ask(mesh, request, session)).status for request in requests]

    assert asyncio.run(run()) == [200, 403]
