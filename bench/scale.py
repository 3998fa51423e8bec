"""Time and memory of meshes with 100, 1,000 and 3,000 Services: translation, changes, memory.

Each Service has two subsets and a VirtualService; eleven sidecars and a gateway see all of them. Bars: 150 ms
from a changed weight to the last ACK at 1,000 Services; a change of the gateway alone takes the same time
with one sidecar as with eleven. `make bench` runs all sizes; `scale.py 100` runs one.
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
    """Start the meshes; each runs this script again as its command, which measures and prints."""
    if arguments[:1] == [IN_A_MESH]:
        in_a_mesh(arguments[1], Path(arguments[2]), int(arguments[3]), int(arguments[4]))
        return
    parser = argparse.ArgumentParser(description="Measure meshes of many Services.")
    parser.add_argument(
        "sizes", nargs="*", type=int, metavar="SERVICES", help="the number of Services, one mesh for each"
    )
    for size in parser.parse_args(arguments).sizes or SIZES:
        print(f"{size:,} Services:", flush=True)
        translation(size)
        with_a_mesh(size, PROXIES - 1)
        if size == BAR_SIZE:
            with_a_mesh(size, 1)


def translation(size: int) -> None:
    """Measure loading and translation, without Envoys."""
    from localmesh.explain.from_manifests import proxies
    from localmesh.manifests import load_text
    from localmesh.translate import TranslationCache, translate
    from localmesh.xds import Encoder

    text = services(size) + pods(PROXIES - 1) + edge(80)
    began = time.perf_counter()
    loaded = load_text(text)
    read = time.perf_counter()
    catalog, all_proxies = proxies(loaded.resources)
    cache, encoder = TranslationCache(), Encoder()
    for proxy in all_proxies:
        encoder.snapshot(translate(catalog, proxy, cache))
    done = time.perf_counter()
    print(
        f"  read and checked in {read - began:.2f} s, translated and encoded for {len(all_proxies)} proxies ",
        end="",
    )
    print(f"in {done - read:.2f} s", flush=True)


def with_a_mesh(size: int, sidecars: int) -> None:
    """Start a mesh that runs this script as its command."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.yaml"
        file.write_text(services(size) + pods(sidecars) + edge(80))
        command = [LOCALMESH, "up", "-f", file, "--state", f"{folder}/state"]
        ports = ["--gateway-port", "0", "--api-port", "0"]
        here = f'"{sys.executable}" "{__file__}" {IN_A_MESH} "$LOCALMESH_URL" "{folder}" {size} {sidecars}'
        # localmesh warns about every Service without pods
        subprocess.run([*command, *ports, "--", "sh", "-c", here], check=True, stderr=subprocess.DEVNULL)


def in_a_mesh(url: str, folder: Path, size: int, sidecars: int) -> None:
    """Change weights in the running mesh and print the times."""
    at_edge = [changed(url, edge(share))["seconds"] * 1000 for share in range(CHANGES)]
    if sidecars < PROXIES - 1:
        print(f"  with {sidecars} sidecar instead of {PROXIES - 1}: {summary(at_edge)} for the gateway alone")
        return
    answers, whole = [], []
    for share in range(CHANGES):
        began = time.monotonic()
        answers.append(changed(url, routes("service-0", share))["seconds"] * 1000)
        whole.append((time.monotonic() - began) * 1000)
    bar = f" (bar: {BAR_MILLISECONDS} ms)" if size == BAR_SIZE else ""
    print(f"  one changed weight to the last ACK of {PROXIES} proxies: {summary(answers)}{bar}")
    print(f"    with reading and validation: {summary(whole)}")
    print(f"  a route of the gateway alone: {summary(at_edge)}")
    print(f"  the whole command `localmesh apply -f` with all manifests: {summary(commands(folder))}")
    print(f"  {memory(folder)}", flush=True)


def changed(url: str, text: str) -> dict[str, Any]:
    """Apply one changed object and return the answer of the mesh."""
    body = json.dumps({"text": text, "merge": True}).encode()
    request = urllib.request.Request(f"{url}/mesh/apply", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        applied: dict[str, Any] = json.load(answer)
    return applied


def summary(milliseconds: list[float]) -> str:
    """Return the median and the maximum."""
    median, longest = statistics.median(milliseconds), max(milliseconds)
    return f"median {median:.0f} ms, max {longest:.0f} ms of {len(milliseconds)}"


def commands(folder: Path) -> list[float]:
    """Return the milliseconds of commands that read all manifests again after one has changed."""
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
    """Return the resident memory of localmesh and its Envoys."""
    mesh = psutil.Process(json.loads((folder / "state" / "mesh.json").read_text())["pid"])
    envoys = [child for child in mesh.children(recursive=True) if "envoy" in child.name()]
    sizes = [envoy.memory_info().rss / 2**20 for envoy in envoys]
    own = mesh.memory_info().rss / 2**20
    return f"memory: localmesh {own:.0f} MB, {len(sizes)} Envoys of {statistics.mean(sizes):.0f} MB"


if __name__ == "__main__":
    main(sys.argv[1:])
