"""The cost of mTLS: CPU time of two Envoys per request, with mTLS and without, in one mesh.

Requests go from the gateway to a sidecar and a stub; only the two Envoys count. With `keep-alive`, requests
use open connections; with `one each`, every request between the Envoys starts with a handshake.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import psutil

from bench.rows import Row
from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings

REQUESTS = 4000
CONNECTIONS = 4
ROUNDS = 2


def stub(name: str) -> str:
    """A Service with one pod, a stub."""
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: {name}, image: stub, ports: [{{containerPort: 8080}}]}}]}}
"""


MESH = (
    stub("web")
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
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {tls: {mode: %s}, connectionPool: {http: {maxRequestsPerConnection: %d}}}}
"""
)


def measure() -> list[Row]:
    """Measure both modes with both kinds of connections."""
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        async with Mesh(MeshSettings(Path(folder), Path(folder))) as mesh:
            for words, requests_each in (("keep-alive", 0), ("one each", 1)):
                costs: dict[str, list[float]] = {"DISABLE": [], "ISTIO_MUTUAL": []}
                for _ in range(ROUNDS):
                    for mode, measured in costs.items():
                        await mesh.apply(load_text(MESH % (mode, requests_each)).resources)
                        measured.append(await cost(mesh))
                without, secure = (min(measured) * 1e6 for measured in costs.values())
                rows.append(
                    Row(
                        f"mTLS, CPU of two Envoys a request, {words}",
                        f"{secure:.0f} µs",
                        peer=f"plain {without:.0f} µs",
                        ratio=f"{secure / without:.2f} ×",
                    )
                )
    return rows


async def cost(mesh: Mesh, requests: int = REQUESTS) -> float:
    """Return the CPU seconds that the Envoys spend on one request."""
    await _send(mesh, requests // 10)
    before = _cpu_seconds()
    await _send(mesh, requests)
    return (_cpu_seconds() - before) / requests


async def _send(mesh: Mesh, count: int) -> None:
    address = next(iter(mesh.gateways.values())).proxy.listen[8080]
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_send_over_one(address.host, address.port, count // CONNECTIONS))


async def _send_over_one(host: str, port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(count):
        writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()


def _cpu_seconds() -> float:
    times = [psutil.Process(pid).cpu_times() for pid in _envoys()]
    return sum(process.user + process.system for process in times)


def _envoys() -> list[int]:
    own = psutil.Process().children(recursive=True)
    return [process.pid for process in own if "envoy" in process.name()]
