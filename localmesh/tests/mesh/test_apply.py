"""Changes of a running mesh: applied as a whole, or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.runtime.workloads import PodFailedError
from localmesh.tests.mesh.shop import BASE, DYING_V2, V1, V2, V3, answers, apply, gateway_url, mesh_of, routed
from localmesh.xds import RejectedError

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("mesh")]


def test_a_changed_weight_applies_when_apply_returns(tmp_path: Path) -> None:
    """No wait is needed between an apply and the first request."""

    async def run() -> list[Counter[str]]:
        async with mesh_of(tmp_path, BASE + V1 + V2 + routed(v1=100, v2=0)) as mesh:
            before = await answers(mesh, 20)
            await apply(mesh, BASE + V1 + V2 + routed(v1=0, v2=100))
            return [before, await answers(mesh, 20)]

    assert asyncio.run(run()) == [{"v1": 20}, {"v2": 20}]


def test_no_request_is_lost_while_weights_change(tmp_path: Path) -> None:
    """Under steady load every request during twenty applies is answered."""

    async def run() -> Counter[int]:
        async with mesh_of(tmp_path, BASE + V1 + V2 + routed(v1=50, v2=50)) as mesh:
            return await _load_during(mesh, [routed(v1=share, v2=100 - share) for share in range(0, 100, 5)])

    statuses = asyncio.run(run())

    assert set(statuses) == {200}
    assert statuses[200] > 100


async def _load_during(mesh: Mesh, routes: list[str]) -> Counter[int]:
    statuses: Counter[int] = Counter()
    done = asyncio.Event()

    async def load(session: aiohttp.ClientSession) -> None:
        while not done.is_set():
            async with session.get(gateway_url(mesh)) as answer:
                statuses[answer.status] += 1

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(load(session))
        for route in routes:
            seen = statuses.total()
            await apply(mesh, BASE + V1 + V2 + route)
            while statuses.total() < seen + 10:
                await asyncio.sleep(0.001)
        done.set()
    return statuses


def test_changed_and_new_clusters_apply_when_apply_returns(tmp_path: Path) -> None:
    """Envoy acknowledges clusters when they are warm, so that their endpoints must be sent before."""
    limited = BASE.replace(
        "  host: web\n", "  host: web\n  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}\n"
    )
    renamed = BASE.replace(
        "metadata: {name: web, namespace: shop}\nspec: {selector",
        "metadata: {name: www, namespace: shop}\nspec: {selector",
    )

    async def run() -> list[Counter[str]]:
        async with mesh_of(tmp_path, BASE + V1 + routed(v1=1)) as mesh:
            versions = []
            for state in (limited, BASE, renamed + "---" + BASE.partition("---")[0], BASE):
                await apply(mesh, state + V1 + routed(v1=1))
                versions.append(await answers(mesh, 5))
            return versions

    assert limited != BASE != renamed
    assert asyncio.run(run()) == [{"v1": 5}] * 4


def test_a_new_version_serves_as_soon_as_it_is_routed(tmp_path: Path) -> None:
    """New pods, their proxies and the routes to them come with one apply, without a failed request."""

    async def run() -> Counter[str]:
        async with mesh_of(tmp_path, BASE + V1 + routed(v1=1)) as mesh:
            await apply(mesh, BASE + V1 + V3 + routed(v1=1, v3=1))
            return await answers(mesh, 60)

    versions = asyncio.run(run())

    assert set(versions) == {"v1", "v3"}


def test_a_changed_policy_of_a_service_is_applied(tmp_path: Path) -> None:
    """A cluster that changes and keeps its name and endpoints waits for them again, and gets them."""
    limit = "  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}\n"
    limited = BASE.replace("  host: web\n", "  host: web\n" + limit)

    async def run() -> Counter[str]:
        async with mesh_of(tmp_path, BASE + V1 + routed(v1=1)) as mesh:
            await apply(mesh, limited + V1 + routed(v1=1))
            return await answers(mesh, 20)

    assert asyncio.run(run()) == {"v1": 20}


def test_what_is_no_longer_wanted_is_stopped_and_named(tmp_path: Path) -> None:
    """Objects that an apply leaves out are removed, and their pods end."""

    async def run() -> tuple[object, list[str]]:
        async with mesh_of(tmp_path, BASE + V1 + V2 + routed(v1=1)) as mesh:
            change = await apply(mesh, BASE + V1 + routed(v1=2))
            return change, [name for _, name in mesh.pods]

    change, pods = asyncio.run(run())

    assert (change.added, change.changed, change.removed) == (
        (),
        ("VirtualService shop/web",),
        ("Deployment shop/web-v2",),
    )
    assert [pod.rpartition("-")[0] for pod in pods] == ["web-v1"]


def test_a_configuration_that_envoy_refuses_leaves_the_old_one_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has Envoy's reason, the pods of the rejected state are stopped, traffic is as before."""
    spoiled = {"spoil": False}

    async def run() -> tuple[str, Counter[str], int]:
        async with mesh_of(tmp_path, BASE + V1 + routed(v1=1)) as mesh:
            spoiled["spoil"] = True
            with pytest.raises(RejectedError) as error:
                await apply(mesh, BASE + V1 + V2 + routed(v2=1))
            spoiled["spoil"] = False
            return str(error.value), await answers(mesh, 10), len(mesh.pods)

    _spoil_routes_when(monkeypatch, spoiled)

    message, counts, pods = asyncio.run(run())

    assert "rejected RouteConfiguration" in message
    assert "Domains: value must contain at least 1 item" in message
    assert counts == {"v1": 10}
    assert pods == 1


def _spoil_routes_when(monkeypatch: pytest.MonkeyPatch, spoiled: dict[str, bool]) -> None:
    """Makes the translation wrong on purpose: a mesh cannot be talked into this from outside."""
    from localmesh.runtime import mesh as module

    right = module.translate

    def wrong(catalog: object, proxy: object, memory: object) -> object:
        config = right(catalog, proxy)  # type: ignore[arg-type]
        if not spoiled["spoil"] or not config.routes:
            return config
        first, *others = config.routes[0]["virtualHosts"]
        hosts = [{**first, "domains": []}, *others]
        return replace(config, routes=({**config.routes[0], "virtualHosts": hosts}, *config.routes[1:]))

    monkeypatch.setattr(module, "translate", wrong)


def test_a_pod_that_dies_at_start_leaves_the_old_state_in_force(tmp_path: Path) -> None:
    """The error bears the reason and the last lines of its log; nothing of the new state stays."""

    async def run() -> tuple[str, Counter[str], int]:
        async with mesh_of(tmp_path, BASE + V1 + routed(v1=1)) as mesh:
            with pytest.raises(PodFailedError) as error:
                await apply(mesh, BASE + V1 + DYING_V2 + routed(v2=1))
            return str(error.value), await answers(mesh, 10), len(mesh.pods)

    message, counts, pods = asyncio.run(run())

    assert "exited with status 7" in message
    assert "no database" in message
    assert counts == {"v1": 10}
    assert pods == 1


def test_endpoints_follow_readiness(tmp_path: Path) -> None:
    """A pod whose process is killed gets no request until its successor is ready."""

    async def run() -> tuple[Counter[str], Counter[str]]:
        plain = routed(v1=1).replace(", subset: v1", "")
        async with mesh_of(tmp_path, BASE + V1 + V2 + plain) as mesh:
            both = await answers(mesh, 60)
            victim = next(pod for key, pod in mesh.pods.items() if key[1].startswith("web-v2"))
            process = victim.application.containers[0].pid
            assert process is not None
            _kill(process)
            while victim.ready:
                await asyncio.sleep(0.001)
            while await _endpoints(mesh) > 1:
                await asyncio.sleep(0.001)
            one = await answers(mesh, 20)
            return both, one

    both, one = asyncio.run(run())

    assert set(both) == {"v1", "v2"}
    assert one == {"v1": 20}


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def _endpoints(mesh: Mesh) -> int:
    """How many endpoints the gateway's Envoy itself says it has for `web`."""
    kept = next(iter(mesh.gateways.values()))
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{kept.admin}/clusters?format=json") as answer,
    ):
        clusters = (await answer.json())["cluster_statuses"]
    cluster = next(
        status for status in clusters if status["name"] == "outbound|80||web.shop.svc.cluster.local"
    )
    return len(cluster.get("host_statuses", []))


def test_an_envoy_that_dies_is_started_again_where_it_was(tmp_path: Path) -> None:
    """The gateway answers again at its address, and an apply reaches it as before."""

    async def run() -> tuple[int, Counter[str]]:
        async with mesh_of(tmp_path, BASE + V1 + V2 + routed(v1=1)) as mesh:
            kept = next(iter(mesh.gateways.values()))
            assert kept.pid is not None
            _kill(kept.pid)
            while kept.ready:
                await asyncio.sleep(0.001)
            while not kept.ready:
                await asyncio.sleep(0.01)
            await apply(mesh, BASE + V1 + V2 + routed(v2=1))
            return kept.restarts, await answers(mesh, 10)

    assert asyncio.run(run()) == (1, {"v2": 10})


def test_a_port_that_is_taken_by_another_program_is_told(tmp_path: Path) -> None:
    """A pod whose port another program has taken fails with the port's number."""

    async def run() -> str:
        loaded = load_text(BASE + V1 + routed(v1=1))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            settings = MeshSettings(tmp_path / "state", tmp_path, ingress_ports={8080: port})
            async with Mesh(settings) as mesh:
                with pytest.raises(Exception, match=str(port)) as error:
                    await mesh.apply(loaded.resources)
                return type(error.value).__name__

    assert asyncio.run(run()) in ("RejectedError", "EnvoyError")
