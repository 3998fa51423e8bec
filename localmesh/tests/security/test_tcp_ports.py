"""TCP through both sidecars: pods connect to an address that stands for the host."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import pytest

from localmesh.catalog import Address
from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.translate.from_manifests import find

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

Result = TypeVar("Result")
Run = Callable[[Callable[[Mesh], Coroutine[Any, Any, Result]]], Result]
"""Runs a coroutine with the mesh of the tests."""

SHOP = """
apiVersion: v1
kind: Service
metadata: {name: store, namespace: shop}
spec: {selector: {app: store}, ports: [{name: tcp-main, port: 9000}, {name: tcp-spare, port: 9001}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: store}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: store, namespace: shop}
spec:
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      containers:
        - name: store
          image: stub
          ports: [{containerPort: 9000}, {containerPort: 9001}, {containerPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: shop}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      serviceAccountName: client
      containers:
        - name: client
          image: stub
          env:
            - {name: STORE, value: "store:9000"}
            - {name: STORE_HOST, value: store.shop}
            - {name: CACHE, value: "redis://cache:6379/0"}
            - {name: SECOND, value: "quiet-1.quiet:9100"}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec:
  hosts: [store.example.com, nowhere.example.com]
  ports: [{number: 8443, name: tls, protocol: TLS}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {tls: PORT}}]
"""
TO_THE_SPARE = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: store, namespace: shop}
spec:
  hosts: [store]
  tcp:
    - match: [{port: 9000, sourceLabels: {app: nobody}}]
      route: [{destination: {host: nowhere}}]
    - match: [{port: 9000}]
      route: [{destination: {host: store, port: {number: 9001}}}]
"""
ONLY_OTHERS = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: store, namespace: shop}
spec:
  selector: {matchLabels: {app: store}}
  action: DENY
  rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/client]}}]}]
"""
"""Denies the client by the identity in its certificate."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run[Any]]:
    """One mesh for all tests."""
    folder = tmp_path_factory.mktemp("shop")
    with asyncio.Runner() as runner:
        mesh = Mesh(MeshSettings(folder / "state", folder))
        runner.run(mesh.__aenter__())
        yield lambda test: runner.run(test(mesh))
        runner.run(mesh.__aexit__())


async def apply(mesh: Mesh, extra: str = "", port: int = 9) -> None:
    await mesh.apply(load_text(SHOP.replace("PORT", str(port)) + extra).resources)


async def said(address: Address, sent: bytes = b"GET / HTTP/1.0\r\n\r\n") -> bytes:
    """What an address answers before it closes the connection."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(sent)
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()
    return answer


def address_of(mesh: Mesh, host: str, port: int) -> Address:
    """Where the client's sidecar listens for a port of a host."""
    return find(mesh.desired_state.proxies, "client").connections[host, port]


STORE = ("store.shop.svc.cluster.local", 9000)


def test_a_pod_is_told_the_address_that_stands_for_a_host(shop: Run[tuple[Address, dict[str, str]]]) -> None:
    """With the port or alone, in every form of the name; and as Kubernetes tells it."""

    async def told(mesh: Mesh) -> tuple[Address, dict[str, str]]:
        await apply(mesh)
        pod = next(pod for pod in mesh.pods.values() if pod.planned.workload.name == "client")
        return address_of(mesh, *STORE), dict(pod.application.launch("", ()).environment)

    address, environment = shop(told)

    assert environment["STORE"] == str(address)
    assert environment["STORE_HOST"] == environment["STORE_SERVICE_HOST"] == address.host


LATER = """---
apiVersion: v1
kind: Service
metadata: {name: cache, namespace: shop}
spec: {selector: {app: store}, ports: [{name: redis, port: 6379, targetPort: 9000}]}
"""


def test_a_pod_is_started_again_with_the_address_of_a_later_service(shop: Run[tuple[str, ...]]) -> None:
    """Until then it has the name of the host."""

    async def told(mesh: Mesh) -> tuple[str, ...]:
        values = []
        for extra in ("", LATER):
            await apply(mesh, extra)
            pod = next(pod for pod in mesh.pods.values() if pod.planned.workload.name == "client")
            values.append(pod.application.launch("", ()).environment["CACHE"])
        return *values, str(address_of(mesh, "cache.shop.svc.cluster.local", 6379))

    before, after, address = shop(told)

    assert (before, after) == ("redis://cache:6379/0", f"redis://{address}/0")


def test_connections_are_routed_and_judged_by_the_callers_identity(shop: Run[list[bytes]]) -> None:
    """mTLS to the port that was called, then to that of a route, then none, as a policy denies the caller."""

    async def answers(mesh: Mesh) -> list[bytes]:
        all_answers = []
        for extra in ("", TO_THE_SPARE, ONLY_OTHERS):
            await apply(mesh, extra)
            all_answers.append(await said(address_of(mesh, *STORE)))
        return all_answers

    plain, routed, denied = shop(answers)

    assert b'"port": 9000' in plain
    assert b'"port": 9001' in routed
    assert denied == b""


def test_programs_reach_tcp_ports_through_their_proxy_too(shop: Run[list[bytes]]) -> None:
    """By a request to the proxy, which no HTTP route changes, and by a tunnel."""

    async def answers(mesh: Mesh) -> list[bytes]:
        await apply(mesh, TO_THE_SPARE)
        proxy = find(mesh.desired_state.proxies, "client").outbound
        assert proxy is not None
        request = b"GET http://store:9000/a HTTP/1.1\r\nhost: store:9000\r\nconnection: close\r\n\r\n"
        tunnel = b"CONNECT store:9000 HTTP/1.1\r\nhost: store:9000\r\n\r\n"
        return [await said(proxy, request), await said(proxy, tunnel + b"GET /a HTTP/1.0\r\n\r\n")]

    requested, tunnelled = shop(answers)

    assert b'"port": 9001' in requested
    assert tunnelled.startswith(b"HTTP/1.1 200 OK")
    assert b'"port": 9001' in tunnelled


QUIET = """---
apiVersion: v1
kind: Service
metadata: {name: quiet, namespace: shop}
spec: {clusterIP: None, selector: {app: quiet}, ports: [{name: tcp, port: 9100}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: quiet, namespace: shop}
spec:
  serviceName: quiet
  replicas: 2
  selector: {matchLabels: {app: quiet}}
  template:
    metadata: {labels: {app: quiet}}
    spec: {containers: [{name: quiet, image: stub, ports: [{containerPort: 9100}]}]}
"""


def test_the_names_of_single_pods_lead_to_them(shop: Run[tuple[list[bytes], bytes, bool]]) -> None:
    """By connections, each of which would else go to any of the pods, and by a tunnel; with mTLS."""

    async def answers(mesh: Mesh) -> tuple[list[bytes], bytes, bool]:
        await apply(mesh, QUIET)
        addresses = [address_of(mesh, f"{pod}.quiet.shop.svc.cluster.local", 9100) for pod in PODS]
        direct = [await said(address) for address in addresses for _ in range(3)]
        client = find(mesh.desired_state.proxies, "client")
        assert client.outbound is not None
        tunnel = b"CONNECT quiet-1.quiet:9100 HTTP/1.1\r\nhost: quiet-1.quiet:9100\r\n\r\n"
        pod = next(pod for pod in mesh.pods.values() if pod.planned.workload.name == "client")
        is_told = pod.application.launch("", ()).environment["SECOND"] == str(addresses[1])
        return direct, await said(client.outbound, tunnel + b"GET /a HTTP/1.0\r\n\r\n"), is_told

    direct, tunnelled, is_told = shop(answers)

    reached = [next(pod for pod in PODS if f'"pod": "{pod}"'.encode() in answer) for answer in direct]
    assert reached == [PODS[0]] * 3 + [PODS[1]] * 3
    assert b'"pod": "quiet-1"' in tunnelled
    assert is_told


PODS = ("quiet-0", "quiet-1")

AWAY = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{directResponse: {status: 410}}]}
"""


def test_websockets_stay_open_while_their_routes_change(shop: Run[list[str]]) -> None:
    """Through both sidecars, by HTTP and by TCP; only new connections have the new routes."""

    async def echoes(mesh: Mesh) -> list[str]:
        await apply(mesh)
        proxy = find(mesh.desired_state.proxies, "client").outbound
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect("http://web/", proxy=f"http://{proxy}") as by_http,
            session.ws_connect(f"http://{address_of(mesh, *STORE)}/") as by_tcp,
        ):
            await apply(mesh, AWAY + TO_THE_SPARE)
            for socket in (by_http, by_tcp):
                await socket.send_str("still there")
            return [await socket.receive_str() for socket in (by_http, by_tcp)]

    assert shop(echoes) == ["still there", "still there"]


TO_ONE_NAME = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: outside, namespace: shop}
spec:
  hosts: [nowhere.example.com]
  tls:
    - match: [{port: 8443, sniHosts: [nowhere.example.com]}]
      route: [{destination: {host: store.example.com}}]
"""


def test_tls_is_routed_by_the_name_that_the_application_asks_for(shop: Run[tuple[bytes, ...]]) -> None:
    """What a client sends reaches the host of the route as it is; another name is not known."""

    async def answers(mesh: Mesh) -> tuple[bytes, ...]:
        async with serving() as port:
            await apply(mesh, TO_ONE_NAME, port)
            address = address_of(mesh, "nowhere.example.com", 8443)
            hellos = map(client_hello, ("nowhere.example.com", "other.invalid"))
            named, other = [await said(address, hello) for hello in hellos]
            proxy = find(mesh.desired_state.proxies, "client").outbound
            assert proxy is not None
            tunnel = b"CONNECT nowhere.example.com:8443 HTTP/1.1\r\nhost: nowhere.example.com:8443\r\n\r\n"
            return named, other, await said(proxy, tunnel + client_hello("nowhere.example.com"))

    named, other, tunnelled = shop(answers)

    assert named == b"22"  # the content type of a handshake: the TLS of the application
    assert other == b""
    assert tunnelled.endswith(b"22")


AS_LOOKED_UP = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: as-looked-up, namespace: shop}
spec:
  hosts: [localhost]
  ports: [{number: PORT, name: port, protocol: PROTOCOL}]
"""


@pytest.mark.parametrize("protocol", ["TCP", "TLS"])
def test_hosts_without_resolution_are_looked_up_by_the_proxy(shop: Run[bytes], protocol: str) -> None:
    """By the name that a client asks for in TLS, else by the name of the host."""

    async def answer(mesh: Mesh) -> bytes:
        async with serving() as port:
            entry = AS_LOOKED_UP.replace("PORT", str(port)).replace("PROTOCOL", protocol)
            await apply(mesh, entry)
            return await said(address_of(mesh, "localhost", port), client_hello("localhost"))

    assert shop(answer) == b"22"


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The port of a server that answers with the number of the first byte that it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d" % (await reader.read(4096))[0])
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def client_hello(name: str) -> bytes:
    """The first message of a TLS client that asks for a name."""
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
