"""Meshes of the real application for tests that cross the parts."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from aiohttp import web

from localmesh.manifests import LoadResult, Resource, load
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.server.api import application
from localmesh.server.status import gateways

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Live:
    """A running application: the address of its API and of its gateway (empty without one), and its logs."""

    api: str
    gateway: str
    logs: Path


@cache
def loaded(folder: Path) -> LoadResult:
    """A kustomization, built once in each process that runs tests."""
    return load(kustomizations=[folder])


def overlay(name: str) -> list[Resource]:
    """The resources of a scenario, or of `base`."""
    folder = ROOT / "istio" / ("base" if name == "base" else f"overlays/{name}")
    return list(loaded(folder).resources)


def with_environment(resources: list[Resource], workload: str, **variables: str) -> list[Resource]:
    """The same resources with other values in the environment of one Deployment."""
    out = []
    for resource in resources:
        if resource.kind == "Deployment" and resource.name == workload:
            body = copy.deepcopy(dict(resource.body))
            environment = body["spec"]["template"]["spec"]["containers"][0]["env"]
            for entry in environment:
                entry["value"] = variables.get(entry["name"], entry.get("value"))
            out.append(replace(resource, body=body))
        else:
            out.append(resource)
    return out


@contextlib.contextmanager
def live(folder: Path, resources: list[Resource]) -> Iterator[Live]:
    """Runs a mesh on an event loop of its own, for tests that are not coroutines."""
    ready = threading.Event()
    started: list[Live] = []
    failure: list[BaseException] = []
    stop: list[Callable[[], None]] = []

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
        async with Mesh(MeshSettings(folder / "state", ROOT)) as mesh:
            await mesh.apply(resources)
            runner = web.AppRunner(application(mesh), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            gateway = gateways(mesh).get("istio-ingressgateway", {"http": ""})["http"]
            started.append(Live(f"http://{host}:{port}", gateway, folder / "state" / "logs"))
            ready.set()
            await stopping.wait()
            await runner.cleanup()

    def main() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # raised in the test
            failure.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=main)
    thread.start()
    ready.wait()
    try:
        if failure:
            raise failure[0]
        yield started[0]
    finally:
        if stop and not failure:
            stop[0]()
        thread.join()
