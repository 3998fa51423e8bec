"""Keeps one Envoy running beside an application that is started elsewhere.

It does what Istio's agent does in the container `istio-proxy`: it starts Envoy and serves, on its own port,
whether Envoy is ready (`/healthz/ready`) and its statistics (`/stats/prometheus`). Envoy's admin interface
stays on the loopback of the pod.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web

from localmesh.catalog import LOOPBACK, Address, Proxy
from localmesh.runtime.external.pods import HEALTH_PATH
from localmesh.runtime.processes.envoy import Envoy, EnvoyFiles
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor
from localmesh.runtime.workloads import FreePorts

STATS_PATH = "/stats/prometheus"
"""The path of an Envoy's statistics, as in Istio; unused ones are omitted."""
_RESTART_PAUSE_SECONDS = 0.5
_PATHS = {HEALTH_PATH: "/ready", STATS_PATH: "/stats/prometheus?usedonly"}
_ADMIN = web.AppKey("admin", Address)
_CLIENT = web.AppKey("client", aiohttp.ClientSession)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """The proxy, its control plane, and the address of the health check."""

    proxy: Proxy
    control_plane: Address
    health: Address
    state_folder: Path


async def keep_running(settings: SidecarSettings) -> None:
    """Keeps one Envoy running until cancelled. Raises StartError or StateFolderInUseError."""
    free_ports = FreePorts()
    admin = Address(LOOPBACK, free_ports.take())
    files = EnvoyFiles(
        control_plane=settings.control_plane,
        admin=admin,
        state_folder=settings.state_folder,
        log_file=Path("/dev/stderr"),  # the log of the container
        environment={"PATH": os.environ.get("PATH", "")},
        counts_each_cluster=True,  # the statistics are served, so they may be read
    )
    try:
        async with ProcessSupervisor(settings.state_folder) as processes, _health(settings.health, admin):
            while True:
                envoy = await Envoy.start(settings.proxy, files, processes)
                _log.warning("%s; it is restarted", await envoy.ended())
                await asyncio.sleep(_RESTART_PAUSE_SECONDS)
    finally:
        free_ports.close()


@contextlib.asynccontextmanager
async def _health(address: Address, admin: Address) -> AsyncIterator[None]:
    app = web.Application()
    app[_ADMIN] = admin
    app.cleanup_ctx.append(_client)
    app.add_routes([web.get(path, _from_envoy) for path in _PATHS])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
        yield
    finally:
        await runner.cleanup()


async def _client(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as client:
        app[_CLIENT] = client
        yield


async def _from_envoy(request: web.Request) -> web.Response:
    url = f"http://{request.app[_ADMIN]}{_PATHS[request.path]}"
    try:
        async with request.app[_CLIENT].get(url) as answer:
            return web.Response(status=answer.status, text=await answer.text(), content_type="text/plain")
    except (aiohttp.ClientError, TimeoutError) as error:
        return web.Response(status=503, text=f"Envoy does not answer: {error}\n")
