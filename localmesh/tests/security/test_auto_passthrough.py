"""AUTO_PASSTHROUGH: a sidecar of another mesh or network calls a Service through the gateway, by SNI."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.server.status import gateways
from localmesh.tests.security.office import apply
from localmesh.translate.from_manifests import find

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

BETWEEN = """---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: between, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 15443, name: tls, protocol: TLS}
      hosts: ["*.local"]
      tls: {mode: AUTO_PASSTHROUGH}
"""
REMOTE = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: remote, namespace: shop}}
spec:
  hosts: [remote.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1, ports: {{http: {port}}}}}]
  subjectAltNames: ["spiffe://cluster.local/ns/shop/sa/web"]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: remote, namespace: shop}}
spec:
  host: remote.example.com
  trafficPolicy: {{tls: {{mode: ISTIO_MUTUAL, sni: outbound_.80_._.{service}.shop.svc.cluster.local}}}}
"""


def test_a_gateway_passes_mtls_on_to_the_cluster_that_the_caller_names(tmp_path: Path) -> None:
    """The called application sees the identity of the caller; a name without a cluster is refused."""

    async def run() -> list[tuple[int, str]]:
        async with (
            Mesh(MeshSettings(tmp_path / "state", tmp_path)) as mesh,
            aiohttp.ClientSession() as session,
        ):
            await apply(mesh, BETWEEN)
            address = gateways(mesh)["istio-ingressgateway"]["tls-15443"]
            answers = []
            for service in ("web", "missing"):
                remote = REMOTE.format(port=address.rpartition(":")[2], service=service)
                await apply(mesh, BETWEEN + remote)
                sidecar = f"http://{find(mesh.desired_state.proxies, 'client').outbound}"
                async with session.get("http://remote.example.com/", proxy=sidecar) as answer:
                    body = await answer.json() if answer.status == 200 else {"headers": {}}
                    answers.append((answer.status, body["headers"].get("x-forwarded-client-cert", "")))
            return answers

    (status, seen), (refused, _) = asyncio.run(run())

    assert (status, refused) == (200, 503)
    assert seen.endswith("URI=spiffe://cluster.local/ns/shop/sa/client")
