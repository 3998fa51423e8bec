"""One table of calls: simulated with the configuration alone, and sent to real Envoys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from localmesh.catalog import Address
from localmesh.explain.from_manifests import find, proxy_config
from localmesh.explain.simulate import Call, simulate
from localmesh.manifests import load
from localmesh.runtime.mesh import Mesh, MeshSettings

MANIFESTS = Path(__file__).parent / "mesh.yaml"
WEB = "web.shop.svc.cluster.local"


@dataclass(frozen=True, eq=False)
class Row:
    """A call from a proxy and its expected outcome: the route's name, and versions or a status."""

    sender: str
    call: Call
    route: str = ""
    versions: frozenset[str] = frozenset()
    status: int = 200


def client(call: Call, route: str = "", versions: str = "", status: int = 200) -> Row:
    return Row("client", call, route, frozenset(versions.split()), status)


def gateway(path: str, host: str, route: str = "", versions: str = "", status: int = 200) -> Row:
    call = Call(host, path, port=8080)
    return Row("istio-ingressgateway", call, route, frozenset(versions.split()), status)


ROWS = [
    client(Call("web", "/exact"), "exact", "v1"),
    client(Call("web.shop", "/exact?a=b"), "exact", "v1"),
    client(Call(f"{WEB}:80", "/exact"), "exact", "v1"),
    client(Call(f"{WEB}.", "/exact"), "exact", "v1"),
    client(Call("WEB", "/exact"), "exact", "v1"),
    client(Call("web:9080", "/exact"), "exact", "v1"),
    client(Call("web", "/exact/"), status=404),
    client(Call("web", "/case/x"), "prefix", "v1"),
    client(Call("web", "/items/42"), "regex", "v2"),
    client(Call("web", "/items/42/more"), status=404),
    client(Call("web", "/h", headers={"User-Group": "internal"}), "header", "v2"),
    client(Call("web", "/h", headers={"user-group": "external", "x-any": ""}), "present", "v1"),
    client(Call("web", "/h", headers={"x-no": "2"}), "without", "v2"),
    client(Call("web", "/h"), "without", "v2"),
    client(Call("web", "/h", headers={"x-no": "1"}), status=404),
    client(Call("web", "/m", method="POST"), "post", "v2"),
    client(Call("web", "/m"), status=404),
    client(Call("web", "/q?page=7"), "query", "v2"),
    client(Call("web", "/q?page=last"), status=404),
    client(Call("web", "/g"), "inside", "v1"),
    client(Call("web:9080", "/p"), "alt", "v2"),
    client(Call("web", "/p"), status=404),
    client(Call("web", "/moved"), "moved", status=308),
    client(Call("web", "/closed"), "closed", status=451),
    client(Call("web", "/nowhere"), "nowhere", status=503),
    client(Call("web", "/split"), "split", "v1 v2"),
    client(Call("plain", "/anything"), "default", "v1"),
    client(Call("web:1234", "/exact"), status=404),
    gateway("/g", "shop.example.com", "edge", "v2"),
    gateway("/g", "shop.example.com:8080", "edge", "v2"),
    gateway("/exact", "a.wild.example.com", "exact", "v1"),
    gateway("/exact", "wild.example.com", status=404),
    gateway("/exact", "web", status=404),
    gateway("/closed", "shop.example.com", "closed", status=451),
]
IDS = [
    f"{row.sender}-{row.call.method}-{row.call.authority}{row.call.path}-{len(row.call.headers)}"
    for row in ROWS
]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_simulated_call_takes_the_expected_route(row: Row) -> None:
    """The simulation finds the route and clusters of the row."""
    config = proxy_config(load(files=[MANIFESTS]).resources, row.sender)

    hit = simulate(config, row.call)

    subsets = {cluster.split("|")[2] for cluster in hit.clusters} - {"", "v9"}
    answered = 503 if "v9" in "".join(hit.clusters) else hit.status or 200
    assert (hit.route, answered) == (row.route, row.status)
    if hit.route != "default":
        assert subsets == row.versions


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
    proxy = find(mesh.desired_state.proxies, row.sender)
    headers = {**row.call.headers, "Host": row.call.authority}
    if proxy.outbound is not None:
        url, via = f"http://{row.call.authority}{row.call.path}", f"http://{proxy.outbound}"
    else:
        address: Address = proxy.listen[8080]
        url, via = f"http://{address}{row.call.path}", None
    async with session.request(
        row.call.method, url, proxy=via, headers=headers, allow_redirects=False
    ) as answer:
        text = await answer.text()
    version = json.loads(text)["version"] if answer.status == 200 else ""
    return answer.status, version


@pytest.mark.mesh
@pytest.mark.xdist_group("calls")
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_real_envoy_answers_the_call_as_simulated(row: Row, answers: Mapping[Row, tuple[int, str]]) -> None:
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
