"""Keeps one Envoy running beside an application that is started elsewhere.

It does what Istio's agent does in the container `istio-proxy`: it starts Envoy and serves, on its own port,
whether Envoy is ready (`/healthz/ready`), its metrics (`/stats/prometheus`), and the statistics of which the
live page consists (`/stats`, `/clusters`). Envoy's admin interface stays on the loopback of the pod.
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
from localmesh.telemetry.istio_metrics import STATS_PATH
from localmesh.telemetry.reading import envoy_metrics

_RESTART_PAUSE_SECONDS = 0.5
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
    app.add_routes([web.get(path, _of_envoy) for path in (HEALTH_PATH, "/stats", "/clusters")])
    app.add_routes([web.get(STATS_PATH, _metrics)])
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


async def _metrics(request: web.Request) -> web.Response:
    text = await envoy_metrics(request.app[_CLIENT], request.app[_ADMIN])
    return web.Response(text=text, content_type="text/plain")


async def _of_envoy(request: web.Request) -> web.Response:
    """What Envoy's admin interface answers."""
    path = "/ready" if request.path == HEALTH_PATH else request.path
    url = f"http://{request.app[_ADMIN]}{path}"
    try:
        async with request.app[_CLIENT].get(url, params=request.query) as answer:
            body = await answer.read()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)
    except (aiohttp.ClientError, TimeoutError) as error:
        return web.Response(status=503, text=f"Envoy does not answer: {error}\n")
