"""Meshes of many Services with real Envoys: time to start, time of a change, memory.

Each Service has two subsets and a VirtualService, and every proxy sees all of them. A start counts from the
command to the moment when all proxies are ready; a change from the request to the last ACK.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.many_services import PROXIES, edge, pods, routes, services
from bench.rows import Row, at_most, plain, spread

CHANGES = 15
CHANGE_BAR_MILLISECONDS = 150
START_BAR_SECONDS = 15
LOCALMESH = Path(sys.executable).with_name("localmesh")
RESULT = "result.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """A mesh: seconds to start, and of CPU until then, of localmesh and of all Envoys; milliseconds of each
    change; megabytes of localmesh and of each Envoy.
    """

    start: float
    own_cpu: float
    envoys_cpu: float
    changes: list[float]
    at_edge: list[float]
    own_memory: float
    envoy_memory: float


def measure() -> list[Row]:
    """Measure 1,000 and 3,000 Services with 12 proxies."""
    small, large = with_a_mesh(1_000, PROXIES), with_a_mesh(3_000, PROXIES)
    for services_, mesh in ((1_000, small), (3_000, large)):
        print(f"   {services_:,} Services: start {mesh.start:.1f} s, changes {spread(mesh.changes, 'ms')}")
    change = statistics.median(small.changes)
    return [
        at_most("1,000 Services, 12 proxies: one weight, median", change, CHANGE_BAR_MILLISECONDS, "ms"),
        plain("  a route of the gateway alone, median", statistics.median(small.at_edge), "ms"),
        plain("  up to ready", small.start, "s", 1),
        plain("  of that, CPU of localmesh and all Envoys", small.own_cpu + small.envoys_cpu, "s", 1),
        Row("  memory", f"{small.own_memory:.0f} MB and {small.envoy_memory:.0f} MB for each Envoy"),
        at_most("3,000 Services, 12 proxies: up to ready", large.start, START_BAR_SECONDS, "s", 1),
        plain("  of that, CPU of localmesh and all Envoys", large.own_cpu + large.envoys_cpu, "s", 1),
        plain("  one weight, median", statistics.median(large.changes), "ms"),
        Row("  memory", f"{large.own_memory:.0f} MB and {large.envoy_memory:.0f} MB for each Envoy"),
    ]


def with_a_mesh(size: int, proxies: int) -> Measured:
    """Start a mesh that runs this module as its command; one of the proxies is the gateway."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.yaml"
        file.write_text(services(size) + pods(proxies - 1) + edge(80))
        command = [LOCALMESH, "up", "-f", file, "--state", f"{folder}/state"]
        ports = ["--gateway-port", "0", "--api-port", "0", "--end-with-parent"]
        inside = f'"{sys.executable}" -m bench.scale "$LOCALMESH_URL" "{folder}" {proxies} {time.monotonic()}'
        # standard error has a warning about every Service without pods
        done = subprocess.run(
            [*command, *ports, "--", "sh", "-c", inside], check=False, stderr=subprocess.PIPE, text=True
        )
        result = Path(folder) / RESULT
        if not result.exists():
            raise RuntimeError(
                f"{size:,} Services, {proxies} proxies: {done.stderr.strip().splitlines()[-1]}"
            )
        return Measured(**json.loads(result.read_text()))


def in_the_mesh(url: str, folder: Path, proxies: int, began: float) -> None:
    """Change weights in the running mesh; writes the figures."""
    start = time.monotonic() - began
    mesh = psutil.Process(json.loads((folder / "state" / "mesh.json").read_text())["pid"])
    envoys = [child for child in mesh.children(recursive=True) if "envoy" in child.name()]
    own_cpu, envoys_cpu = cpu_seconds(mesh), sum(map(cpu_seconds, envoys))
    at_edge = [changed(url, edge(share)) for share in range(CHANGES)]
    of_all = [changed(url, routes("service-0", share)) for share in range(CHANGES)] if proxies > 1 else []
    measured = Measured(
        start=start,
        own_cpu=own_cpu,
        envoys_cpu=envoys_cpu,
        changes=of_all or at_edge,
        at_edge=at_edge,
        own_memory=mesh.memory_info().rss / 2**20,
        envoy_memory=statistics.mean(envoy.memory_info().rss / 2**20 for envoy in envoys),
    )
    (folder / RESULT).write_text(json.dumps(asdict(measured)))


def cpu_seconds(process: psutil.Process) -> float:
    """The CPU time that a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def changed(url: str, text: str) -> float:
    """Apply one changed object; return the milliseconds until all proxies have acknowledged it."""
    body = json.dumps({"text": text, "merge": True}).encode()
    request = urllib.request.Request(f"{url}/mesh/apply", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        applied: dict[str, Any] = json.load(answer)
    return float(applied["seconds"]) * 1000


if __name__ == "__main__":
    in_the_mesh(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
