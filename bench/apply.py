"""Time from a changed weight to the acknowledgement of the last of 12 proxies, under load.

Bar: 150 ms, without a failed or dropped request. The mesh has eleven stubs and a gateway. Measures forty
requests to the API of the mesh, and five whole commands.
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
    """Start a mesh that runs this script again as its command, which then measures."""
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
    """Manifests of eleven versions of a service, and of a gateway that splits requests between two."""
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
    """Apply changed weights under load and print the times."""
    with urllib.request.urlopen(f"{url}/mesh") as answer:
        mesh = json.load(answer)
    proxies = len(mesh["pods"]) + len(mesh["proxies"])
    statuses: Counter[int | str] = Counter()
    async with aiohttp.ClientSession() as session:
        loads = [
            asyncio.create_task(load(session, mesh["gateways"]["istio-ingressgateway"]["http"], statuses))
            for _ in range(8)
        ]
        times = [await time_to_apply(session, url, share) for share in range(APPLIES)]
        commands = [await time_of_command(folder, share) for share in range(50, 50 + COMMANDS)]
        for task in loads:
            task.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
    good = statuses.pop(200, 0)
    print(
        f"apply of a changed weight, {proxies} proxies under load: median {statistics.median(times):.0f} ms, "
        f"max {max(times):.0f} ms of {APPLIES} (bar: {BAR_MILLISECONDS} ms)"
    )
    print(
        f"  the whole command `localmesh apply -k`: median {statistics.median(commands):.0f} ms of {COMMANDS}"
    )
    print(f"  during this, {good:,} requests were answered with 200, others: {dict(statuses) or 'none'}")


async def load(session: aiohttp.ClientSession, url: str, statuses: Counter[int | str]) -> None:
    """Send requests without a pause and count the statuses and failures."""
    while True:
        try:
            async with session.get(url, headers={"Host": "web.example.com"}) as answer:
                await answer.read()
                statuses[answer.status] += 1
        except aiohttp.ClientError as error:
            statuses[type(error).__name__] += 1


async def time_to_apply(session: aiohttp.ClientSession, url: str, share: int) -> float:
    """Return the milliseconds until the mesh answers that all proxies have acknowledged."""
    began = time.monotonic()
    async with session.post(f"{url}/mesh/apply", json={"text": manifests(share)}) as answer:
        document = await answer.json()
    milliseconds = (time.monotonic() - began) * 1000
    assert answer.status == 200, document
    assert document["changed"] == ["VirtualService default/web"], document
    return milliseconds


async def time_of_command(folder: Path, share: int) -> float:
    """Return the milliseconds of the whole command, with kustomize and the start of Python."""
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
