"""How long a changed weight takes to the last proxy's acknowledgement, with 12 proxies under load.

Bar: 150 ms, and no request failed or dropped meanwhile. Eleven stubs and a gateway; forty applies, counted
from the request to the mesh's API (manifests in hand) to its answer, and as the whole command line.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import aiohttp

APPLIES = 40
COMMANDS = 5
BAR_MILLISECONDS = 150
STUBS = 11
LOCALMESH = Path(sys.executable).with_name("localmesh")


def main() -> None:
    """Starts a mesh and measures in it; run again by it as its command."""
    if len(sys.argv) > 1:
        asyncio.run(measure(sys.argv[1], Path(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.yaml"
        file.write_text(manifests(50))
        command = [LOCALMESH, "up", "-f", file, "--state", f"{folder}/state"]
        ports = ["--gateway-port", "0", "--api-port", "0"]
        script = f'exec "{sys.executable}" "{__file__}" "$LOCALMESH_URL" "{folder}"'
        subprocess.run([*command, *ports, "--", "sh", "-c", script], check=True)


def manifests(share: int) -> str:
    """Eleven versions of one service, and a gateway that splits between two of them."""
    deployments = "".join(
        f"""---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web-v{version}}}
spec:
  selector: {{matchLabels: {{app: web, version: v{version}}}}}
  template:
    metadata: {{labels: {{app: web, version: v{version}}}}}
    spec: {{containers: [{{name: web, image: stub, ports: [{{containerPort: 8080}}]}}]}}
"""
        for version in range(1, STUBS + 1)
    )
    return f"""apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
{deployments}---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web}}
spec: {{host: web, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ["*"]}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: [web, web.example.com]
  gateways: [edge, mesh]
  http:
    - route:
        - {{destination: {{host: web, subset: v1}}, weight: {share}}}
        - {{destination: {{host: web, subset: v2}}, weight: {100 - share}}}
"""


async def measure(url: str, folder: Path) -> None:
    """Applies changed weights under load and prints what it took."""
    with urllib.request.urlopen(f"{url}/mesh") as answer:
        mesh = json.load(answer)
    proxies = len(mesh["pods"]) + len(mesh["proxies"])
    statuses: Counter[int | str] = Counter()
    async with aiohttp.ClientSession() as session:
        loads = [
            asyncio.create_task(load(session, mesh["gateways"]["istio-ingressgateway"]["http"], statuses))
            for _ in range(8)
        ]
        times = [await applied(session, url, share) for share in range(APPLIES)]
        whole = [await commanded(folder, share) for share in range(50, 50 + COMMANDS)]
        for task in loads:
            task.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
    good = statuses.pop(200, 0)
    print(
        f"apply of a changed weight, {proxies} proxies under load: median {statistics.median(times):.0f} ms, "
        f"max {max(times):.0f} ms of {APPLIES} (bar: {BAR_MILLISECONDS} ms)"
    )
    print(f"  the whole command `localmesh apply -k`: median {statistics.median(whole):.0f} ms of {COMMANDS}")
    print(f"  meanwhile {good:,} requests answered with 200, others: {dict(statuses) or 'none'}")


async def load(session: aiohttp.ClientSession, url: str, statuses: Counter[int | str]) -> None:
    """Requests without a pause; every failure is counted."""
    while True:
        try:
            async with session.get(url, headers={"Host": "web.example.com"}) as answer:
                await answer.read()
                statuses[answer.status] += 1
        except aiohttp.ClientError as error:
            statuses[type(error).__name__] += 1


async def applied(session: aiohttp.ClientSession, url: str, share: int) -> float:
    """Milliseconds until the mesh has answered that all proxies have acknowledged."""
    began = time.monotonic()
    async with session.post(f"{url}/mesh/apply", json={"text": manifests(share)}) as answer:
        document = await answer.json()
    milliseconds = (time.monotonic() - began) * 1000
    assert answer.status == 200, document
    assert document["changed"] == ["VirtualService default/web"], document
    return milliseconds


async def commanded(folder: Path, share: int) -> float:
    """Milliseconds of the whole command, kustomize and the start of Python included."""
    kustomization = folder / "kustomization"
    kustomization.mkdir(exist_ok=True)
    (kustomization / "mesh.yaml").write_text(manifests(share))
    (kustomization / "kustomization.yaml").write_text("resources: [mesh.yaml]\n")
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        LOCALMESH, "apply", "-k", kustomization, stdout=subprocess.DEVNULL
    )
    assert await process.wait() == 0
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    main()
