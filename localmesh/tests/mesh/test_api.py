"""The HTTP API of a running mesh: the paths of the Kubernetes API, and localmesh's own."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localmesh import server
from localmesh.server.api import application
from localmesh.tests.mesh.shop import BASE, DYING_V2, V1, V2, mesh_of, routed

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("api")]

Asking = Callable[[aiohttp.ClientSession], Awaitable[Any]]
Ask = Callable[[Asking], Any]
SHOP = BASE + V1 + V2 + routed(v1=1)
STATIC = Path(server.__file__).parent / "static"


@asynccontextmanager
async def session_of(folder: Path, manifests: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A session whose base URL is the API of a mesh."""
    async with mesh_of(folder, manifests) as mesh:
        runner = web.AppRunner(application(mesh, ["localmesh"]), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        try:
            async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
                yield session
        finally:
            await runner.cleanup()


def ask(folder: Path, asking: Asking, manifests: str = SHOP) -> Any:
    """The result of `asking`, which gets the session of a mesh of its own."""

    async def run() -> Any:
        async with session_of(folder, manifests) as session:
            return await asking(session)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def ask_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The same with one mesh, for all tests that change nothing in it."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        folder = tmp_path_factory.mktemp("shop")
        session = runner.run(stack.enter_async_context(session_of(folder, SHOP)))
        yield lambda asking: runner.run(asking(session))
        runner.run(stack.aclose())


async def get(session: aiohttp.ClientSession, path: str, **options: Any) -> tuple[int, Any]:
    async with session.get(path, **options) as answer:
        return answer.status, await answer.json()


async def post(session: aiohttp.ClientSession, path: str, **options: Any) -> tuple[int, Any]:
    async with session.post(path, **options) as answer:
        return answer.status, await answer.json()


def test_objects_have_the_paths_of_a_kubernetes_api_server(ask_shop: Ask) -> None:
    """One object, the list of a namespace, the list of all; a missing object is a Status with 404."""
    prefix = "/apis/networking.istio.io/v1"

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        return [
            await get(session, f"{prefix}/namespaces/shop/virtualservices/web"),
            await get(session, f"{prefix}/namespaces/shop/virtualservices"),
            await get(session, "/apis/apps/v1/deployments"),
            await get(session, "/api/v1/namespaces/shop/services/web"),
            await get(session, f"{prefix}/namespaces/shop/virtualservices/nothing"),
            await get(session, f"{prefix}/namespaces/elsewhere/virtualservices"),
        ]

    one, of_namespace, of_all, service, missing, empty = ask_shop(asking)

    assert one[1]["spec"]["http"][0]["route"][0]["weight"] == 1
    assert (of_namespace[1]["kind"], len(of_namespace[1]["items"])) == ("VirtualServiceList", 1)
    assert [item["metadata"]["name"] for item in of_all[1]["items"]] == ["web-v1", "web-v2"]
    assert service[1]["metadata"]["namespace"] == "shop"
    assert (missing[0], missing[1]["kind"], missing[1]["reason"]) == (404, "Status", "NotFound")
    assert (empty[0], empty[1]["items"]) == (200, [])


def test_pods_are_listed_by_label_and_reached_by_port(ask_shop: Ask) -> None:
    """The labels, readiness and containers of pods, and an answer from one of their ports."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        listed = await get(session, "/api/v1/namespaces/shop/pods", params={"labelSelector": "version=v2"})
        name = listed[1]["items"][0]["metadata"]["name"]
        through = f"/api/v1/namespaces/shop/pods/{name}"
        return [
            listed,
            await get(session, through),
            await get(session, f"{through}:8080/proxy/metrics?a=b"),
            await get(session, f"{through}:1/proxy/metrics"),
            await get(session, "/api/v1/namespaces/shop/pods/unknown:8080/proxy/"),
        ]

    listed, one, through, no_port, unknown = ask_shop(asking)

    pod = listed[1]["items"][0]
    assert len(listed[1]["items"]) == 1
    assert pod == one[1]
    assert pod["metadata"]["labels"] == {"app": "web", "version": "v2"}
    assert pod["status"]["conditions"] == [{"type": "Ready", "status": "True"}]
    assert [status["name"] for status in pod["status"]["containerStatuses"]] == ["web", "istio-proxy"]
    assert through[1]["path"] == "/metrics?a=b"
    assert (no_port[0], "declares no port 1" in no_port[1]["message"]) == (400, True)
    assert unknown[0] == 404


def test_gateways_are_pods(ask_shop: Ask) -> None:
    """Listed with their labels, with a log, and reached by port, as the pods of applications."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        everywhere = await get(session, "/api/v1/pods")
        prefix = "/api/v1/namespaces/istio-system/pods"
        listed = await get(session, prefix, params={"labelSelector": "istio=ingressgateway"})
        name = listed[1]["items"][0]["metadata"]["name"]
        async with session.get(f"{prefix}/{name}/log") as log:
            status = log.status
        through = await get(session, f"{prefix}/{name}:8080/proxy/hello")
        return [everywhere, listed, await get(session, f"{prefix}/{name}"), through, (status, None)]

    everywhere, listed, one, through, log = ask_shop(asking)

    (gateway,) = listed[1]["items"]
    assert gateway in everywhere[1]["items"]
    assert len(everywhere[1]["items"]) == 3
    assert gateway == one[1]
    assert gateway["metadata"]["labels"]["app"] == "istio-ingressgateway"
    assert gateway["status"]["podIP"] == "127.0.0.1"
    assert gateway["status"]["conditions"] == [{"type": "Ready", "status": "True"}]
    assert [status["name"] for status in gateway["status"]["containerStatuses"]] == ["istio-proxy"]
    assert [container["name"] for container in gateway["spec"]["containers"]] == ["istio-proxy"]
    assert (through[0], through[1]["path"]) == (200, "/hello")
    assert log[0] == 200


def test_a_pod_is_asked_for_the_encoding_that_the_caller_accepts(ask_shop: Ask) -> None:
    """Otherwise a caller would get compressed metrics that it cannot read."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        listed = await get(session, "/api/v1/namespaces/shop/pods")
        name = listed[1]["items"][0]["metadata"]["name"]
        through = f"/api/v1/namespaces/shop/pods/{name}:8080/proxy/"
        return [await get(session, through, headers={"Accept-Encoding": "identity"})]

    (seen,) = ask_shop(asking)

    assert {name.lower(): value for name, value in seen[1]["headers"].items()}[
        "accept-encoding"
    ] == "identity"


def test_a_pod_is_reached_through_its_sidecar_as_in_a_cluster(tmp_path: Path) -> None:
    """The API is outside the mesh: where only mTLS is accepted, it gets an error."""
    strict = """---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
"""

    async def asking(session: aiohttp.ClientSession) -> tuple[int, Any]:
        listed = await get(session, "/api/v1/namespaces/shop/pods")
        name = listed[1]["items"][0]["metadata"]["name"]
        return await get(session, f"/api/v1/namespaces/shop/pods/{name}:8080/proxy/")

    status, refusal = ask(tmp_path, asking, BASE + V1 + V2 + routed(v1=1) + strict)

    assert (status, refusal["reason"]) == (503, "ServiceUnavailable")


def test_a_port_without_a_service_is_refused_if_the_mode_is_strict(tmp_path: Path) -> None:
    """Istio's sidecar would intercept it; an exception for the port makes it available."""
    policies = """---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: open, namespace: shop}
spec: {selector: {matchLabels: {version: v2}}, portLevelMtls: {"9102": {mode: PERMISSIVE}}}
"""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        listed = await get(session, "/api/v1/namespaces/shop/pods")
        names = [item["metadata"]["name"] for item in listed[1]["items"]]
        return [await get(session, f"/api/v1/namespaces/shop/pods/{name}:9102/proxy/") for name in names]

    pods = (V1 + V2).replace("[{containerPort: 8080}]", "[{containerPort: 8080}, {containerPort: 9102}]")
    (refused, answer), (allowed, _) = ask(tmp_path, asking, BASE + pods + routed(v1=1) + policies)

    assert (refused, answer["reason"], allowed) == (503, "ServiceUnavailable", 200)
    assert "only mTLS is accepted" in answer["message"]


def test_a_policy_that_names_a_port_without_a_service_is_enforced_there(tmp_path: Path) -> None:
    """Istio's sidecar applies policies to all ports of the pod; the other version has no policy."""
    policy = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: metrics, namespace: shop}
spec:
  selector: {matchLabels: {version: v2}}
  action: DENY
  rules: [{to: [{operation: {ports: ["9102"], paths: [/secret]}}]}]
"""

    async def asking(session: aiohttp.ClientSession) -> list[int]:
        listed = await get(session, "/api/v1/namespaces/shop/pods")
        pods = [f"/api/v1/namespaces/shop/pods/{item['metadata']['name']}" for item in listed[1]["items"]]
        paths = ("9102/proxy/metrics", "9102/proxy/secret", "8080/proxy/secret")
        return [(await session.get(f"{pod}:{path}")).status for pod in pods for path in paths]

    pods = (V1 + V2).replace("[{containerPort: 8080}]", "[{containerPort: 8080}, {containerPort: 9102}]")
    statuses = ask(tmp_path, asking, BASE + pods + routed(v1=1) + policy)

    assert statuses == [200, 200, 200, 200, 403, 200]


def test_apply_answers_every_failure_with_its_status(tmp_path: Path) -> None:
    """Bad JSON is 400, bad manifests 422, a pod that dies 409; the generation counts successful changes."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        good = BASE + V1 + V2 + routed(v2=1)
        return [
            await post(session, "/mesh/apply", data="{", headers={"Content-Type": "application/json"}),
            await post(session, "/mesh/apply", json=["text"]),
            await post(session, "/mesh/apply", json={}),
            await post(session, "/mesh/apply", json={"text": BASE + routed(v1=-1)}),
            await post(session, "/mesh/apply", json={"text": BASE + V1 + DYING_V2}),
            await post(session, "/mesh/apply", json={"text": BASE + V1 + routed(v9=1), "strict": True}),
            await post(session, "/mesh/apply", json={"text": good}),
            await get(session, "/mesh"),
        ]

    broken, wrong, _empty, invalid, dying, strict, good, status = ask(tmp_path, asking)

    assert [response[0] for response in (broken, wrong, invalid, dying, strict, good)] == [
        400,
        400,
        422,
        409,
        422,
        200,
    ]
    assert "spec.http[0].route[0].weight" in invalid[1]["message"]
    assert "no database" in dying[1]["message"]
    for refused in (broken, wrong, invalid, dying, strict):
        assert refused[1]["message"].endswith("the previous configuration still applies.")
    assert good[1]["changed"] == ["VirtualService shop/web"]
    assert (status[1]["generation"], status[1]["ready"]) == (2, True)


def test_a_bug_in_translation_is_an_internal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 and a logged traceback, not a complaint about the request; the mesh stays as it was."""

    def fail(*_arguments: object) -> None:
        raise KeyError("bug")

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        with monkeypatch.context() as patch:
            patch.setattr("localmesh.runtime.mesh.translate", fail)
            broken = await post(session, "/mesh/apply", json={"text": BASE + V1 + V2 + routed(v2=1)})
        return [broken, await get(session, "/mesh")]

    (code, answer), (_, mesh) = ask(tmp_path, asking)

    assert (code, answer["reason"]) == (500, "InternalError")
    assert answer["message"].startswith("internal error: KeyError('bug'); the traceback is in the output")
    assert "internal error in POST /mesh/apply" in caplog.messages
    assert "Traceback" in caplog.text
    assert (mesh["generation"], mesh["ready"]) == (1, True)


def test_web_pages_cannot_use_the_api(ask_shop: Ask) -> None:
    """Neither under a name that only resolves to the loopback nor with a form's content type."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        return [
            await get(session, "/mesh", headers={"Host": "attacker.example:7080"}),
            await post(session, "/mesh/apply", data='{"text": ""}', headers={"Content-Type": "text/plain"}),
            await get(session, "/mesh", headers={"Host": "localhost:7080"}),
        ]

    rebound, form, local = ask_shop(asking)

    assert (rebound[0], form[0], local[0]) == (403, 415, 200)


def test_a_page_of_another_origin_can_neither_read_nor_send(ask_shop: Ask) -> None:
    """Browsers say where a request comes from; only a link to the live page is followed."""
    foreign, site = {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}
    own = {"Sec-Fetch-Site": "same-origin"}
    order = {"method": "GET", "path": "/"}

    async def asking(session: aiohttp.ClientSession) -> list[int]:
        link = {**site, "Sec-Fetch-Mode": "navigate"}
        return [
            (await get(session, "/mesh", headers=foreign))[0],
            (await get(session, "/mesh/live", headers={**foreign, "Sec-Fetch-Mode": "cors"}))[0],
            (await post(session, "/mesh/send", json=order, headers=site))[0],
            (await post(session, "/mesh/send", json=order, headers={**link}))[0],
            (await session.get("/", headers=link)).status,
            (await post(session, "/mesh/send", json=order, headers=own))[0],
        ]

    assert ask_shop(asking) == [403, 403, 403, 403, 200, 200]


def test_the_live_page_and_its_files_are_served(ask_shop: Ask) -> None:
    """Without anything from elsewhere, all modules at once, and with the licences of what it contains."""
    modules = {file.name for file in STATIC.glob("*.js")} - {"theme.js"}

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, str, str]]:
        found = []
        for path in ("/", "/page/main.js", "/page/vendor/dagre.LICENSE.txt", "/page/../api.py"):
            async with session.get(path) as answer:
                policy = answer.headers.get("Content-Security-Policy", "")
                found.append((answer.status, policy, await answer.text()))
        return found

    page, script, licence, missing = ask_shop(asking)

    assert (page[0], script[0], licence[0], missing[0]) == (200, 200, 200, 404)
    assert "default-src 'none'" in page[1]
    assert "frame-ancestors 'none'" in page[1]
    assert "://" not in page[2]
    assert "Copyright" in licence[2]
    preloaded = re.findall(r'rel="modulepreload" href="/page/(\S+)"', page[2])
    assert {"main.js", *preloaded} == modules


def test_a_request_is_sent_through_the_gateway(tmp_path: Path) -> None:
    """With method, headers and body; what is not a request is refused with the reason."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        good = {"method": "POST", "path": "/a?b=1", "headers": {"user-group": "beta"}, "body": "hello"}
        return [
            await post(session, "/mesh/send", json=good),
            await post(session, "/mesh/send", json={"method": "GET", "path": "/", "gateway": "nothing"}),
            await post(session, "/mesh/send", json={"method": "TRACE", "path": "a"}),
            await post(session, "/mesh/send", json={**good, "headers": {"a b": "c"}}),
            await post(session, "/mesh/send", data="{", headers={"Content-Type": "application/json"}),
        ]

    sent, unknown, invalid, header, broken = ask(tmp_path, asking)

    seen = json.loads(sent[1]["body"])
    assert (sent[0], sent[1]["status"], seen["path"]) == (200, 200, "/a?b=1")
    assert {name.lower(): value for name, value in seen["headers"].items()}["user-group"] == "beta"
    assert sent[1]["requestId"]
    assert (unknown[0], unknown[1]["message"]) == (
        400,
        'no gateway is called "nothing"; there are: istio-ingressgateway',
    )
    assert (invalid[0], header[0], broken[0]) == (400, 400, 400)
    assert '"a b: c" is not a header' in header[1]["message"]


def test_events_of_the_live_page_follow_the_mesh(tmp_path: Path) -> None:
    """The state at once, an apply with the new shares, requests with their edges, and verdicts of proofs."""
    report = {
        "report": "loadgen prove",
        "scenarios": [
            {"scenario": "canary", "proves": "shares", "verdict": "PASS", "seconds": 2, "checks": []}
        ],
    }

    async def asking(session: aiohttp.ClientSession) -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with session.get("/mesh/live") as stream:
            found["state"] = (await events(stream, "state"))[1]
            await post(session, "/mesh/apply", json={"text": BASE + V1 + V2 + routed(v1=50, v2=50)})
            found["apply"] = (await events(stream, "apply"))[1]
            found["graph"] = (await events(stream, "graph"))[1]
            await events(stream, "frame")
            await post(session, "/mesh/send", json={"method": "GET", "path": "/"})
            found["frame"] = (await events(stream, "frame", '"rate":'))[1]
            found["refused"] = (await post(session, "/mesh/proofs", json={"report": "other"}))[0]
            await post(session, "/mesh/proofs", json=report)
            found["proof"] = (await events(stream, "proof"))[1]
        return found

    found = ask(tmp_path, asking)

    assert {node["name"] for node in found["state"]["graph"]["nodes"]} >= {"web", "istio-ingressgateway"}
    assert found["apply"]["changed"] == ["VirtualService shop/web"]
    expected = [edge["expected"] for edge in found["graph"]["graph"]["edges"] if edge["expected"]]
    assert [share["percent"] for share in expected] == [50.0, 50.0]
    assert "clients > istio-system/istio-ingressgateway" in found["frame"]["edges"]
    assert (found["proof"]["scenario"], found["proof"]["verdict"]) == ("canary", "PASS")
    assert found["refused"] == 400


def test_an_open_page_does_not_keep_the_mesh_from_stopping(tmp_path: Path) -> None:
    """Its events end, instead of being waited for."""

    async def run() -> bytes:
        async with mesh_of(tmp_path, BASE + V1) as mesh, aiohttp.ClientSession() as session:
            runner = web.AppRunner(application(mesh), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            stream = await session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/mesh/live")
            await events(stream, "state")
            async with asyncio.timeout(10):
                await runner.cleanup()
                return (await stream.content.read())[-1:]

    assert asyncio.run(run()) == b"\n"


async def events(stream: aiohttp.ClientResponse, name: str, contains: str = "") -> tuple[str, Any]:
    """The next event of a name whose data contains a text."""
    async with asyncio.timeout(20):
        while True:
            line = (await stream.content.readline()).decode()
            if line == f"event: {name}\n":
                data = (await stream.content.readline()).decode().removeprefix("data: ")
                if contains in data:
                    return name, json.loads(data)


def test_rules_of_an_edge_name_file_and_field(ask_shop: Ask) -> None:
    """Those of the caller's route, with the YAML; those of a node are what it accepts."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        edge = {"id": "istio-system/istio-ingressgateway > shop/web-v1"}
        return [
            await get(session, "/mesh/live/edge", params=edge),
            await get(session, "/mesh/live/node", params={"id": "shop/web-v1"}),
            await get(session, "/mesh/live/node", params={"id": "nothing"}),
        ]

    edge, node, nothing = ask_shop(asking)

    rule = edge[1]["rules"][0]
    assert (rule["object"], rule["field"]) == ("VirtualService shop/web", "spec.http[0]")
    assert "subset: v1" in rule["yaml"]
    assert "cluster outbound|80|v1|web.shop.svc.cluster.local" in edge[1]["envoy"]
    assert node[1]["rules"][0]["what"] == "port 8080 accepts mTLS and plain text (PERMISSIVE)"
    assert nothing[1] == {"rules": [], "settings": [], "envoy": {}}


def test_additional_host_names_are_accepted(ask_shop: Ask) -> None:
    """For calls between containers; other names are refused."""

    async def asking(session: aiohttp.ClientSession) -> list[tuple[int, Any]]:
        return [
            await get(session, "/mesh", headers={"Host": f"{name}:7080"}) for name in ("localmesh", "other")
        ]

    given, other = ask_shop(asking)

    assert (given[0], other[0]) == (200, 403)


def test_status_lists_what_is_not_intercepted_and_what_is_ignored(tmp_path: Path) -> None:
    """A UDP port and a PodDisruptionBudget are listed."""
    more = """---
apiVersion: v1
kind: Service
metadata: {name: names, namespace: shop}
spec: {selector: {app: web}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
"""

    async def asking(session: aiohttp.ClientSession) -> tuple[int, Any]:
        return await get(session, "/mesh")

    status = ask(tmp_path, asking, BASE + V1 + V2 + routed(v1=1) + more)[1]

    assert status["notIntercepted"] == ["names.shop.svc.cluster.local:53 (UDP)"]
    assert status["ignored"] == {"PodDisruptionBudget": 1}
