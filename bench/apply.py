"""Time from a changed weight to the acknowledgement of the last of 12 proxies, under load.

The mesh has eleven stubs and a gateway. Measures forty requests to the API of the mesh, and five whole
commands; no request may fail meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import aiohttp
import psutil

from bench.rows import Row, at_most, plain, spread

APPLIES = 40
COMMANDS = 5
MEDIAN_BAR, LONGEST_BAR, COMMAND_BAR = 25, 60, 450
RESULT = "result.json"
STUBS = 11
LOCALMESH = Path(sys.executable).with_name("localmesh")


def measure() -> list[Row]:
    """Start a mesh that runs this module as its command, which measures."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.yaml"
        file.write_text(manifests(50))
        command = [LOCALMESH, "up", "-f", file, "--state", f"{folder}/state"]
        ports = ["--gateway-port", "0", "--api-port", "0", "--end-with-parent"]
        script = f'exec "{sys.executable}" -m bench.apply "$LOCALMESH_URL" "{folder}"'
        subprocess.run([*command, *ports, "--", "sh", "-c", script], check=True, stderr=subprocess.DEVNULL)
        measured = json.loads((Path(folder) / RESULT).read_text())
    times, commands, good, others = (measured[name] for name in ("times", "commands", "good", "others"))
    print(f"   {spread(times, 'ms')}; during this, {good:,} requests were answered with 200")
    median, whole = statistics.median(times), statistics.median(commands)
    return [
        at_most("a weight to the last ACK, 12 proxies under load, median", median, MEDIAN_BAR, "ms"),
        at_most("  the longest", max(times), LONGEST_BAR, "ms"),
        plain("  CPU of localmesh for a change", measured["mesh_cpu"], "ms"),
        at_most("  other answers than 200 meanwhile", sum(others.values()), 0, "requests"),
        at_most("localmesh apply -k, the whole command, median", whole, COMMAND_BAR, "ms"),
        plain("  its CPU, without that of the mesh and kustomize", measured["command_cpu"], "ms"),
    ]


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


async def in_the_mesh(url: str, folder: Path) -> None:
    """Apply changed weights under load and print the times."""
    with urllib.request.urlopen(f"{url}/mesh") as answer:
        mesh = json.load(answer)
    statuses: Counter[int | str] = Counter()
    async with aiohttp.ClientSession() as session:
        loads = [
            asyncio.create_task(load(session, mesh["gateways"]["istio-ingressgateway"]["http"], statuses))
            for _ in range(8)
        ]
        process = psutil.Process(json.loads((folder / "state" / "mesh.json").read_text())["pid"])
        before = process.cpu_times()
        times = [await time_to_apply(session, url, share) for share in range(APPLIES)]
        after = process.cpu_times()
        commands = [await time_of_command(folder, share) for share in range(50, 50 + COMMANDS)]
        for task in loads:
            task.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
    good = statuses.pop(200, 0)
    ended = os.times()  # the commands are the only children of this process
    measured = {
        "times": times,
        "mesh_cpu": (after.user + after.system - before.user - before.system) / APPLIES * 1000,
        "commands": commands,
        "command_cpu": (ended.children_user + ended.children_system) / COMMANDS * 1000,
        "good": good,
        "others": statuses,
    }
    (folder / RESULT).write_text(json.dumps(measured))


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
    # as in another shell: with a URL, the mesh might be on another machine, so that the command reads the
    # manifests itself
    environment = {name: value for name, value in os.environ.items() if name != "LOCALMESH_URL"}
    command = [LOCALMESH, "apply", "-k", kustomization, "--state", folder / "state"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.DEVNULL)
    assert await process.wait() == 0
    return (time.monotonic() - began) * 1000


if __name__ == "__main__":
    asyncio.run(in_the_mesh(sys.argv[1], Path(sys.argv[2])))
