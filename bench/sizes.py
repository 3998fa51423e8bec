"""The table of docs/performance.md: start, change and memory by the numbers of Services and proxies.

It prints Markdown. A mesh that would not fit into the memory of the machine is left out. Not part of
`make bench`, because it takes many minutes: `make bench BENCH=sizes`.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import psutil

from bench.rows import Row
from bench.scale import Measured, with_a_mesh

SERVICES = (10, 100, 1_000, 3_000)
PROXIES = (1, 12, 60)
ENVOY_MEGABYTES, MEGABYTES_PER_SERVICE = 40, 0.18
"""The memory of an Envoy, roughly: a constant part, and one for each Service."""


def measure() -> Iterator[Row]:
    """Print the table, line by line."""
    print("| Services | proxies | start | CPU until then | one changed weight | localmesh | each Envoy |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for services in SERVICES:
        for proxies in PROXIES:
            print(_line(services, proxies), flush=True)
            yield Row(f"{services:,} Services, {proxies} proxies", "measured: see the table above")


def _line(services: int, proxies: int) -> str:
    start = f"| {services:,} | {proxies}"
    needed = proxies * (ENVOY_MEGABYTES + services * MEGABYTES_PER_SERVICE)
    if needed * 2**20 > 0.8 * psutil.virtual_memory().available:
        return f"{start} | – | – | – | – | needs {needed / 1024:.0f} GB in all |"
    mesh: Measured = with_a_mesh(services, proxies)
    change = statistics.median(mesh.changes)
    memory = f"{mesh.own_memory:.0f} MB | {mesh.envoy_memory:.0f} MB"
    cpu = f"{mesh.own_cpu:.1f} + {mesh.envoys_cpu:.1f} s"
    return f"{start} | {mesh.start:.1f} s | {cpu} | {change:.0f} ms | {memory} |"
