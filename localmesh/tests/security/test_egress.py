"""Calls that leave the mesh: to hosts of ServiceEntries, to unknown hosts, and with a restricting Sidecar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.security.office import BASE
from localmesh.translate.from_manifests import find

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]


def entry(name: str, host: str, spec: str) -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: shop}}
spec: {{hosts: ["{host}"], ports: [{{number: 80, name: http, protocol: HTTP}}], {spec}}}
"""


def sidecar(hosts: str, mode: str) -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: default, namespace: shop}}
spec: {{egress: [{{hosts: {hosts}}}], outboundTrafficPolicy: {{mode: {mode}}}}}
"""


def entries(port: int) -> str:
    """Ways to reach a server outside the mesh that listens on a port of the loopback."""
    return "".join(
        (
            entry("static", "static.example.com", f"resolution: STATIC, {_at('127.0.0.1', port)}"),
            entry("dns", "dns.example.com", f"resolution: DNS, {_at('localhost', port)}"),
            entry("wild", "*.wild.example.com", f"resolution: STATIC, {_at('127.0.0.1', port)}"),
            entry("listed", "localhost", "resolution: NONE"),
            entry(
                "inside",
                "inside.example.com",
                "resolution: DNS, endpoints: [{address: other.office.svc.cluster.local}]",
            ),
        )
    )


def _at(address: str, port: int) -> str:
    return f"endpoints: [{{address: {address}, ports: {{http: {port}}}}}]"


EVERYTHING = '["*/*"]'
EXPECTED = {
    "open": {
        "http://static.example.com/": 200,
        "http://dns.example.com/": 200,
        "http://a.wild.example.com/": 200,
        "http://inside.example.com/": 200,
        "http://web/": 200,
        "http://127.0.0.1/": 503,  # unknown: passed on, and nothing listens there on port 80
        "http://static.example.com:8443/": 404,  # no Service has that port, so it cannot be called
    },
    "registry only": {
        "http://static.example.com/": 200,
        "http://dns.example.com/": 200,
        "http://a.wild.example.com/": 200,
        "http://inside.example.com/": 200,
        "http://web/": 200,
        "http://127.0.0.1/": 502,
        "http://unknown.example.com/": 502,
        "http://unknown.example.com:8443/": 404,
    },
    "own namespace only": {
        "http://static.example.com/": 200,
        "http://web/": 200,
        "http://other.office/": 502,
        "http://unknown.example.com/": 502,
    },
    "own namespace only, unknown hosts allowed": {
        "http://web/": 200,
        "http://other.office/": 200,  # passed on to the Service
        "http://other.office:8000/": 404,
    },
    "one host only": {
        "http://static.example.com/": 200,
        "http://dns.example.com/": 502,
        "http://web/": 502,
    },
}
POLICIES = {
    "open": "",
    "registry only": sidecar(EVERYTHING, "REGISTRY_ONLY"),
    "own namespace only": sidecar('["./*"]', "REGISTRY_ONLY"),
    "own namespace only, unknown hosts allowed": sidecar('["./*"]', "ALLOW_ANY"),
    "one host only": sidecar('["./static.example.com"]', "REGISTRY_ONLY"),
}


@pytest.fixture(scope="module")
def statuses(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, int]]:
    """The answers to the client's calls with each policy."""
    return asyncio.run(_call_all(tmp_path_factory.mktemp("egress")))


async def _call_all(folder: Path) -> Mapping[str, Mapping[str, int]]:
    statuses: dict[str, dict[str, int]] = {}
    async with (
        _outside() as port,
        Mesh(MeshSettings(folder, folder)) as mesh,
        aiohttp.ClientSession() as session,
    ):
        for name, policy in POLICIES.items():
            await mesh.apply(load_text(BASE + entries(port) + policy).resources)
            via = f"http://{find(mesh.desired_state.proxies, 'client').outbound}"
            statuses[name] = {}
            for url in EXPECTED[name]:
                async with session.get(url, proxy=via) as answer:
                    statuses[name][url] = answer.status
    return statuses


@asynccontextmanager
async def _outside() -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="outside")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("name", POLICIES)
def test_calls_to_hosts_outside_the_mesh_get_the_answer_that_the_policy_allows(
    name: str, statuses: Mapping[str, Mapping[str, int]]
) -> None:
    """Known hosts are reached; unknown ones only if the policy allows it."""
    assert statuses[name] == EXPECTED[name]
