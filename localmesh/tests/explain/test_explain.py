"""One table of requests: explained with the configuration alone, and sent to real Envoys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from localmesh.catalog import Address
from localmesh.explain import Explainer, Request
from localmesh.manifests import load
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.translate.from_manifests import find

MANIFESTS = Path(__file__).parent / "mesh.yaml"
WEB = "web.shop.svc.cluster.local"


@dataclass(frozen=True, eq=False)
class Row:
    """A request and its expected outcome: the route's name, and versions or a status."""

    request: Request
    route: str = ""
    versions: frozenset[str] = frozenset()
    status: int = 200


def client(
    host: str, path: str, route: str = "", versions: str = "", status: int = 200, **others: object
) -> Row:
    request = Request.to(f"http://{host}{path}", source="client", **others)
    return Row(request, route, frozenset(versions.split()), status)


def gateway(path: str, host: str, route: str = "", versions: str = "", status: int = 200) -> Row:
    return Row(Request.to(f"http://{host}{path}"), route, frozenset(versions.split()), status)


ROWS = [
    client("web", "/exact", "exact", "v1"),
    client("web.shop", "/exact?a=b", "exact", "v1"),
    client(f"{WEB}:80", "/exact", "exact", "v1"),
    client(f"{WEB}.", "/exact", "exact", "v1"),
    client("WEB", "/exact", "exact", "v1"),
    client("web:9080", "/exact", "exact", "v1"),
    client("web", "/exact/", status=404),
    client("web", "/case/x", "prefix", "v1"),
    client("web", "/items/42", "regex", "v2"),
    client("web", "/items/42/more", status=404),
    client("web", "/h", "header", "v2", headers={"User-Group": "internal"}),
    client("web", "/h", "present", "v1", headers={"user-group": "external", "x-any": ""}),
    client("web", "/h", "without", "v2", headers={"x-no": "2"}),
    client("web", "/h", "without", "v2"),
    client("web", "/h", status=404, headers={"x-no": "1"}),
    client("web", "/m", "post", "v2", method="POST"),
    client("web", "/m", status=404),
    client("web", "/q?page=7", "query", "v2"),
    client("web", "/q?page=last", status=404),
    client("web", "/g", "inside", "v1"),
    client("web:9080", "/p", "alt", "v2"),
    client("web", "/p", status=404),
    client("web", "/moved", "moved", status=308),
    client("web", "/closed", "closed", status=451),
    client("web", "/nowhere", "nowhere", status=503),
    client("web", "/split", "split", "v1 v2"),
    client("plain", "/anything", "default", "v1"),
    client("web:1234", "/exact", status=404),
    gateway("/g", "shop.example.com", "edge", "v2"),
    gateway("/g", "shop.example.com:8080", "edge", "v2"),
    gateway("/exact", "a.wild.example.com", "exact", "v1"),
    gateway("/exact", "wild.example.com", status=404),
    gateway("/exact", "web", status=404),
    gateway("/closed", "shop.example.com", "closed", status=451),
]
IDS = [
    f"{row.request.source}-{row.request.method}-{row.request.authority}{row.request.path}"
    f"-{len(row.request.headers)}"
    for row in ROWS
]


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer.of(load(files=[MANIFESTS]).resources)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_request_takes_the_expected_route(row: Row, explainer: Explainer) -> None:
    """The explanation has the route and the versions of the row, or its status."""
    explanation = explainer.explain(row.request)

    routing = explanation.hops[0].routing
    assert routing is not None
    route = routing.rule.name if routing.rule else ""
    assert (route, explanation.answer.status if explanation.answer else 200) == (row.route, row.status)
    assert {outcome.workload.removeprefix("web-") for outcome in explanation.outcomes} - {""} == row.versions


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Row, tuple[int, str]]:
    """The status and version that each call got from real Envoys and stubs."""
    return asyncio.run(_ask_all(tmp_path_factory.mktemp("mesh")))


async def _ask_all(folder: Path) -> Mapping[Row, tuple[int, str]]:
    loaded = load(files=[MANIFESTS])
    async with Mesh(MeshSettings(folder, folder)) as mesh, aiohttp.ClientSession() as session:
        await mesh.apply(loaded.resources)
        return {row: await _ask(row, mesh, session) for row in ROWS}


async def _ask(row: Row, mesh: Mesh, session: aiohttp.ClientSession) -> tuple[int, str]:
    request = row.request
    headers = {**request.headers, "Host": request.authority}
    if request.source == "client":
        proxy = find(mesh.desired_state.proxies, "client")
        url, via = f"http://{request.authority}{request.path}", f"http://{proxy.outbound}"
    else:
        address: Address = find(mesh.desired_state.proxies, "istio-ingressgateway").listen[8080]
        url, via = f"http://{address}{request.path}", None
    async with session.request(
        request.method, url, proxy=via, headers=headers, allow_redirects=False
    ) as answer:
        text = await answer.text()
    version = json.loads(text)["version"] if answer.status == 200 else ""
    return answer.status, version


@pytest.mark.mesh
@pytest.mark.xdist_group("calls")
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_real_envoy_answers_the_request_as_explained(
    row: Row, answers: Mapping[Row, tuple[int, str]]
) -> None:
    """A real Envoy returns the status of the row, from a version that the row allows."""
    status, version = answers[row]

    assert status == row.status
    assert version in (row.versions or {""})


def test_the_table_covers_every_named_route() -> None:
    """A route that no call uses would not be tested."""
    routes = set(_route_names(MANIFESTS.read_text()))

    assert {row.route for row in ROWS} >= routes


def _route_names(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if "{name: " in line and "match:" in line:
            yield line.split("{name: ")[1].split(",")[0]
