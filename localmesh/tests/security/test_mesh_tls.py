"""mTLS in a running mesh: identities of callers; neither rotation nor policies lose a request."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from localmesh.catalog.trust import Trust
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.security.office import GATEWAY, OUTSIDE, Request, apply, ask
from localmesh.translate.from_manifests import find

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Office:
    """A running mesh; each test applies what it needs."""

    mesh: Mesh
    runner: asyncio.Runner

    def run(self, test: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine in the event loop of the mesh."""
        return self.runner.run(test)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One mesh for all tests in which certificates have their usual lifetime."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        mesh = runner.run(stack.enter_async_context(_mesh(tmp_path_factory.mktemp("office"))))
        yield Office(mesh, runner)
        runner.run(stack.aclose())


STRICT = """---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
"""
ONE_REQUEST_EACH = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}}
"""
ONLY_THE_CLIENT = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: client, namespace: shop}
spec: {rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/client]}}]}]}
"""
NEW_TRUST_DOMAIN = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "trustDomain: new.example"}
"""
NOTHING = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: shop}
spec: {}
"""


def test_the_application_gets_the_identity_of_the_caller(office: Office) -> None:
    """The sidecar of a caller proves its ServiceAccount; a caller without one has no identity."""
    mesh = office.mesh

    async def run() -> list[str]:
        async with aiohttp.ClientSession() as session:
            await apply(mesh, "")
            forged = {"x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/shop/sa/web"}
            senders = [Request("client"), Request("other", headers=forged), Request(GATEWAY)]
            answers = [await ask(mesh, request, session) for request in (*senders, Request(OUTSIDE))]
            return [answer.seen_headers.get("x-forwarded-client-cert", "") for answer in answers]

    client, other, gateway, outside = office.run(run())

    web = Trust().identity("shop", "web")
    assert client.startswith(f"By={web};Hash=")
    assert client.endswith(f"URI={Trust().identity('shop', 'client')}")
    assert other.endswith(f"URI={Trust().identity('office', 'other')}")
    assert gateway.endswith(f"URI={Trust().identity('istio-system', 'istio-ingressgateway-service-account')}")
    assert outside == ""


def test_the_trust_domain_of_a_running_mesh_can_be_changed(office: Office) -> None:
    """Callers prove identities of the new one, and principals with `cluster.local` mean these."""
    mesh = office.mesh

    async def run() -> tuple[str, int]:
        async with aiohttp.ClientSession() as session:
            await apply(mesh, STRICT + ONLY_THE_CLIENT + NEW_TRUST_DOMAIN)
            client = await ask(mesh, Request("client"), session)
            other = await ask(mesh, Request("other"), session)
            return client.seen_headers.get("x-forwarded-client-cert", ""), other.status

    client, status_of_other = office.run(run())

    assert client.endswith("URI=spiffe://new.example/ns/shop/sa/client")
    assert status_of_other == 403


def test_a_client_without_a_certificate_gets_no_answer(office: Office) -> None:
    """TLS alone is not enough: a caller must prove an identity of the mesh."""
    mesh = office.mesh

    async def run() -> bytes:
        await apply(mesh, STRICT)
        listen = find(mesh.desired_state.proxies, "web").inbound[0].listen
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(listen.host, listen.port, ssl=context)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
            return await reader.read()
        except (ssl.SSLError, ConnectionError):
            return b""
        finally:
            writer.transport.abort()

    assert office.run(run()) == b""


@pytest.mark.parametrize("connections", ["", ONE_REQUEST_EACH], ids=["kept alive", "one request each"])
def test_no_request_is_lost_while_certificates_are_rotated(office: Office, connections: str) -> None:
    """Ten rotations under load: open connections stay, new ones use the new certificates."""
    mesh = office.mesh

    async def run() -> tuple[Counter[int], set[str]]:
        await apply(mesh, STRICT + connections)
        return await _load_during(mesh, [mesh.rotate_certificates] * 10)

    statuses, certificates = office.run(run())

    assert set(statuses) == {200}
    assert statuses[200] >= 200
    assert len(certificates) >= (10 if connections else 1)


def test_certificates_are_rotated_before_they_expire(tmp_path: Path) -> None:
    """With a lifetime of three seconds, requests are sent for longer than that and none is lost."""

    async def run() -> Counter[int]:
        async with _mesh(tmp_path, timedelta(seconds=3)) as mesh:
            await apply(mesh, STRICT + ONE_REQUEST_EACH)
            statuses: Counter[int] = Counter()
            certificates: set[str] = set()
            async with aiohttp.ClientSession() as session, asyncio.timeout(20):
                while len(certificates) < 4:
                    answer = await ask(mesh, Request("client"), session)
                    statuses[answer.status] += 1
                    certificates.add(answer.seen_headers["x-forwarded-client-cert"])
            return statuses

    assert set(asyncio.run(run())) == {200}


def test_no_request_is_lost_while_strict_is_switched_on_and_off(office: Office) -> None:
    """Sidecars use mTLS in both modes: for them nothing changes."""
    mesh = office.mesh

    async def run() -> Counter[int]:
        await apply(mesh, "")
        steps = [lambda text=text: apply(mesh, text) for text in (STRICT, "") * 5]
        return (await _load_during(mesh, steps))[0]

    statuses = office.run(run())

    assert set(statuses) == {200}


def test_a_slow_request_survives_a_change_of_mode(office: Office) -> None:
    """The connection keeps the mode that it was opened with, and the caller gets its answer."""
    mesh = office.mesh

    async def run() -> list[int]:
        async with aiohttp.ClientSession() as session:
            await apply(mesh, "")
            slow = [ask(mesh, Request(name, "/delay/2"), session) for name in ("client", GATEWAY, OUTSIDE)]
            answers = [asyncio.create_task(request) for request in slow]
            async with asyncio.timeout(2):
                while await _active(mesh, session) < len(slow):
                    await asyncio.sleep(0.01)
            await apply(mesh, STRICT)
            return [(await answer).status for answer in answers]

    assert office.run(run()) == [200, 200, 200]


def test_a_policy_applies_immediately_to_open_connections(office: Office) -> None:
    """Policies are not part of the listener: no connection is closed, and the next request is checked."""
    mesh = office.mesh

    async def run() -> list[int]:
        async with aiohttp.ClientSession() as session:
            statuses = []
            for policies in ("", NOTHING, ""):
                await apply(mesh, policies)
                statuses += [(await ask(mesh, Request("client"), session)).status for _ in range(3)]
            return statuses

    assert office.run(run()) == [200] * 3 + [403] * 3 + [200] * 3


async def _active(mesh: Mesh, session: aiohttp.ClientSession) -> int:
    """The number of requests that the sidecar of `web` has passed on and not answered yet."""
    envoy = next(pod.sidecar for key, pod in mesh.pods.items() if key[1].startswith("web-"))
    assert envoy is not None
    async with session.get(f"http://{envoy.admin}/stats?filter=inbound_8080.downstream_rq_active") as answer:
        return sum(int(line.rpartition(" ")[2]) for line in (await answer.text()).splitlines())


def _mesh(folder: Path, lifetime: timedelta = timedelta(hours=1)) -> Mesh:
    return Mesh(MeshSettings(folder / "state", folder, certificate_lifetime=lifetime))


async def _load_during(
    mesh: Mesh, steps: list[Callable[[], Awaitable[object]]]
) -> tuple[Counter[int], set[str]]:
    """The statuses, and the certificates that the application saw, while the steps run."""
    statuses: Counter[int] = Counter()
    certificates: set[str] = set()
    done = asyncio.Event()

    async def load(sender: str, session: aiohttp.ClientSession) -> None:
        while not done.is_set():
            answer = await ask(mesh, Request(sender), session)
            statuses[answer.status] += 1
            if answer.status == 200 and sender == "client":
                certificates.add(answer.seen_headers["x-forwarded-client-cert"])

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for sender in ("client", "client", GATEWAY, "other"):
            group.create_task(load(sender, session))
        for step in steps:
            seen = statuses.total()
            await step()
            while statuses.total() < seen + 20:
                await asyncio.sleep(0.001)
        done.set()
    return statuses, certificates
