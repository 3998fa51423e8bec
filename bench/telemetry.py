"""What metrics, traces and access logs cost the Envoys, and whether both sides count every request.

The cost is the CPU time of a gateway and a sidecar per request, in one mesh that is changed between the runs.
The count is of `loadgen run` through a gateway and two stubs, of which one calls the other.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench import mtls
from bench.rows import Row, at_most
from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings

ROUNDS = 7
REQUESTS = 1000
BAR_RATIO = 1.15
RATE = 500
SECONDS = 30
LOADGEN = Path(sys.executable).with_name("loadgen")

_MESH = mtls.MESH % ("ISTIO_MUTUAL", 0)
_CALLED = mtls.stub("called")
_TELEMETRY = """---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: mesh, namespace: istio-system}
spec:
"""
OFF = """\
  metrics: [{overrides: [{disabled: true}]}]
  accessLogging: [{providers: [{name: envoy}], disabled: true}]
  tracing: [{disableSpanReporting: true}]
"""
ON = "  tracing: [{randomSamplingPercentage: 1}]\n"
TRACED = "  tracing: [{randomSamplingPercentage: 100}]\n"


def measure() -> list[Row]:
    """Measure the cost, then count."""
    return asyncio.run(_measure())


async def _measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        async with Mesh(MeshSettings(Path(folder), Path(folder))) as mesh:
            costs = await _costs(mesh)
            rows = _cost_rows(costs)
            return [*rows, *await _count_rows(mesh)]


async def _costs(mesh: Mesh) -> dict[str, float]:
    """The CPU time of the two Envoys per request in µs, by settings: the median of several rounds."""
    measured: dict[str, list[float]] = {OFF: [], ON: [], TRACED: []}
    for _ in range(ROUNDS):
        for settings, times in measured.items():
            await mesh.apply(load_text(f"{_MESH}{_TELEMETRY}{settings}").resources)
            times.append(await mtls.cost(mesh, REQUESTS) * 1e6)
    return {settings: statistics.median(times) for settings, times in measured.items()}


def _cost_rows(costs: dict[str, float]) -> list[Row]:
    without = costs[OFF]
    ratio = costs[ON] / without
    return [
        Row(
            "metrics, logs and traces (1 %), CPU of two Envoys a request",
            f"{costs[ON]:.0f} µs",
            bar=f"≤ {BAR_RATIO} ×",
            holds=ratio <= BAR_RATIO,
            peer=f"without {without:.0f} µs",
            ratio=f"{ratio:.2f} ×",
        ),
        Row(
            "the same with traces of all requests",
            f"{costs[TRACED]:.0f} µs",
            peer=f"without {without:.0f} µs",
            ratio=f"{costs[TRACED] / without:.2f} ×",
        ),
    ]


async def _count_rows(mesh: Mesh) -> list[Row]:
    """How far the counts of each side of each edge are from what was sent."""
    await mesh.apply(load_text(f"{_MESH}{_CALLED}{_TELEMETRY}{ON}").resources)
    before = await _counts(mesh)
    listen = next(iter(mesh.gateways.values())).proxy.listen[8080]
    sent, lost = await _load(f"http://{listen}/call/called/")
    if lost:
        return [Row("what is counted", f"not measured: the machine is too slow for {RATE}/s, {lost:,} lost")]
    counted = await _counts(mesh)
    counted.subtract(before)
    expected = {
        (reporter, *edge): sent
        for edge in (("istio-ingressgateway", "web"), ("web", "called"))
        for reporter in ("source", "destination")
    }
    wrong = sum(abs(counted[edge] - count) for edge, count in expected.items())
    what = f"{sent:,} requests at {RATE}/s, four counts: difference to sent"
    return [at_most(what, wrong, 0, "requests")]


async def _load(url: str) -> tuple[int, int]:
    """Send for a while; return the number of requests, and how many of them got no answer."""
    arguments = (url, "--rate", str(RATE), "--duration", f"{SECONDS}s", "--no-live", "--json", "-")
    process = await asyncio.create_subprocess_exec(
        LOADGEN, "run", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:  # the benchmark takes too long
            process.kill()
    requests = json.loads(output)["requests"]
    return requests["issued"], requests["lost"]


async def _counts(mesh: Mesh) -> Counter[tuple[str, str, str]]:
    """The requests by reporter and edge."""
    counts: Counter[tuple[str, str, str]] = Counter()
    proxies = [*mesh.gateways.values(), *(pod.sidecar for pod in mesh.pods.values() if pod.sidecar)]
    for text in await asyncio.gather(*(proxy.metrics() for proxy in proxies)):
        for family in text_string_to_metric_families(text):
            for sample in family.samples if family.name == "istio_requests" else ():
                labels = sample.labels
                edge = (labels["reporter"], labels["source_workload"], labels["destination_workload"])
                counts[edge] += int(sample.value)
    return counts
