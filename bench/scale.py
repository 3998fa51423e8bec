"""What a mesh of 100, 1,000 and 3,000 Services costs: to translate, to change, to keep in memory.

Each Service has two subsets and a VirtualService; eleven sidecars and a gateway see them all. Bars: one
changed weight at 1,000 Services 150 ms to the last ACK; a change that concerns the gateway alone costs the
same whether one sidecar runs beside it or eleven. `make bench` runs it; sizes may be named: `scale.py 100`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from many_services import PROXIES, edge, pods, routes, services

SIZES = (100, 1_000, 3_000)
BAR_SIZE = 1_000
BAR_MILLISECONDS = 150
CHANGES = 20
COMMANDS = 3
LOCALMESH = Path(sys.executable).with_name("localmesh")
IN_A_MESH = "in-a-mesh"


def main(arguments: list[str]) -> None:
    """Measures and prints; called again by itself inside each mesh."""
    if arguments[:1] == [IN_A_MESH]:
        in_a_mesh(arguments[1], Path(arguments[2]), int(arguments[3]), int(arguments[4]))
        return
    parser = argparse.ArgumentParser(description="Measures meshes of many Services.")
    parser.add_argument("sizes", nargs="*", type=int, metavar="SERVICES", help="how many, one mesh for each")
    for size in parser.parse_args(arguments).sizes or SIZES:
        print(f"{size:,} Services:", flush=True)
        translation(size)
        with_a_mesh(size, PROXIES - 1)
        if size == BAR_SIZE:
            with_a_mesh(size, 1)


def translation(size: int) -> None:
    """Loading and translating, without an Envoy."""
    from localmesh.explain.from_manifests import proxies
    from localmesh.manifests import load_text
    from localmesh.translate import TranslationCache, translate
    from localmesh.xds import Encoder

    text = services(size) + pods(PROXIES - 1) + edge(80)
    began = time.perf_counter()
    loaded = load_text(text)
    read = time.perf_counter()
    catalog, found = proxies(loaded.resources)
    memory, encoder = TranslationCache(), Encoder()
    for proxy in found:
        encoder.snapshot(translate(catalog, proxy, memory))
    done = time.perf_counter()
    print(
        f"  read and checked in {read - began:.2f} s, translated and encoded for {len(found)} proxies ",
        end="",
    )
    print(f"in {done - read:.2f} s", flush=True)


def with_a_mesh(size: int, sidecars: int) -> None:
    """Starts a mesh and measures in it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.yaml"
        file.write_text(services(size) + pods(sidecars) + edge(80))
        command = [LOCALMESH, "up", "-f", file, "--state", f"{folder}/state"]
        ports = ["--gateway-port", "0", "--api-port", "0"]
        here = f'"{sys.executable}" "{__file__}" {IN_A_MESH} "$LOCALMESH_URL" "{folder}" {size} {sidecars}'
        # the Services without pods are warned of, each
        subprocess.run([*command, *ports, "--", "sh", "-c", here], check=True, stderr=subprocess.DEVNULL)


def in_a_mesh(url: str, folder: Path, size: int, sidecars: int) -> None:
    """Changes weights in the running mesh and prints what it took."""
    at_edge = [changed(url, edge(share))["seconds"] * 1000 for share in range(CHANGES)]
    if sidecars < PROXIES - 1:
        print(f"  with {sidecars} sidecar instead of {PROXIES - 1}: {told(at_edge)} for the gateway alone")
        return
    answers, whole = [], []
    for share in range(CHANGES):
        began = time.monotonic()
        answers.append(changed(url, routes("service-0", share))["seconds"] * 1000)
        whole.append((time.monotonic() - began) * 1000)
    bar = f" (bar: {BAR_MILLISECONDS} ms)" if size == BAR_SIZE else ""
    print(f"  one changed weight to the last ACK of {PROXIES} proxies: {told(answers)}{bar}")
    print(f"    with reading and checking it: {told(whole)}")
    print(f"  a route of the gateway alone: {told(at_edge)}")
    print(f"  the whole command `localmesh apply -f` with all manifests: {told(commands(folder))}")
    print(f"  {memory(folder)}", flush=True)


def changed(url: str, text: str) -> dict[str, Any]:
    """The mesh's answer to one changed object."""
    order = json.dumps({"text": text, "merge": True}).encode()
    request = urllib.request.Request(f"{url}/mesh/apply", order, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        applied: dict[str, Any] = json.load(answer)
    return applied


def told(milliseconds: list[float]) -> str:
    """The median and the longest."""
    median, longest = statistics.median(milliseconds), max(milliseconds)
    return f"median {median:.0f} ms, max {longest:.0f} ms of {len(milliseconds)}"


def commands(folder: Path) -> list[float]:
    """Milliseconds of whole commands that read all manifests again, of which one has changed."""
    file = folder / "mesh.yaml"
    times = []
    for share in range(50, 50 + COMMANDS):
        file.write_text(file.read_text().replace("v1}, weight: 80", f"v1}}, weight: {share}", 1))
        began = time.monotonic()
        subprocess.run(
            [LOCALMESH, "apply", "-f", file, "--state", folder / "state"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        times.append((time.monotonic() - began) * 1000)
    return times


def memory(folder: Path) -> str:
    """What the mesh and its Envoys hold."""
    mesh = psutil.Process(json.loads((folder / "state" / "mesh.json").read_text())["pid"])
    envoys = [child for child in mesh.children(recursive=True) if "envoy" in child.name()]
    each = [envoy.memory_info().rss / 2**20 for envoy in envoys]
    own = mesh.memory_info().rss / 2**20
    return f"memory: localmesh {own:.0f} MB, {len(each)} Envoys of {statistics.mean(each):.0f} MB"


if __name__ == "__main__":
    main(sys.argv[1:])
