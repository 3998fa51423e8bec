"""Generated examples: the objects of a mesh, and requests of its workloads and of clients outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from localmesh.explain import OUTSIDE
from localmesh.tests.agreement.asking import Asked
from localmesh.tests.agreement.policies import (
    AUDIENCE,
    OTHER_ISSUER,
    authorization_policies,
    peer_authentications,
    request_authentications,
)
from localmesh.tests.agreement.routing import (
    SUBSETS,
    delegates,
    destination_rules,
    edges,
    service_entries,
    virtual_services,
)
from localmesh.tests.agreement.values import (
    GATEWAY_HOSTS,
    GROUPS,
    HEADERS,
    MESH_HOSTS,
    METHODS,
    PATHS,
    PORTS,
    QUERIES,
    REGEXES,
    VALUES,
    near,
)
from localmesh.tests.agreement.world import EDGE, SENDERS
from localmesh.tests.analysis.meshes import Json, several, sidecars, unique
from localmesh.tests.security.tokens import ISSUER, token


@dataclass(frozen=True, slots=True)
class Example:
    """A configuration and the requests that are sent with it."""

    objects: tuple[Json, ...]
    requests: tuple[Asked, ...]


def _often(strategy: st.SearchStrategy[Json], counts: tuple[int, ...]) -> st.SearchStrategy[list[Json]]:
    """As many as one of the counts says; the more often it is there, the likelier."""
    return st.sampled_from(counts).flatmap(lambda count: several(strategy, count, least=count))


meshes: st.SearchStrategy[tuple[Json, ...]] = st.tuples(
    _often(virtual_services(), (1, 2, 3)),
    _often(delegates(), (0, 0, 1)),
    _often(destination_rules(), (0, 1, 2)),
    _often(edges(), (0, 1, 1, 2)),
    _often(service_entries(), (0, 1)),
    _often(sidecars(), (0, 0, 0, 1)),
    _often(authorization_policies(), (0, 0, 1, 2)),
    _often(request_authentications(), (0, 0, 1, 2)),
    _often(peer_authentications(), (0, 0, 1)),
    st.sampled_from([SUBSETS, SUBSETS, SUBSETS, []]),
).map(lambda groups: tuple(unique((*(item for group in groups for item in group), EDGE))))


def examples(count: int) -> st.SearchStrategy[Example]:
    """Meshes with this many requests each."""
    return meshes.flatmap(
        lambda objects: st.lists(requests(objects), min_size=count, max_size=count).map(
            lambda chosen: Example(objects, tuple(chosen))
        )
    )


def requests(objects: Iterable[Json]) -> st.SearchStrategy[Asked]:
    """Requests that are made of what the objects name, or almost of that."""
    paths, values = _named(objects)
    return _requests(
        tuple(dict.fromkeys((*paths, *PATHS))),
        tuple(dict.fromkeys((*values, *VALUES))),
        tuple(_gateway_ports(objects)),
    )


@st.composite
def _requests(
    draw: st.DrawFn, paths: tuple[str, ...], values: tuple[str, ...], ports: tuple[int, ...]
) -> Asked:
    sender = draw(st.sampled_from(SENDERS))
    hosts = GATEWAY_HOSTS if sender == OUTSIDE else (*MESH_HOSTS, *MESH_HOSTS, "api.example.com")
    headers = draw(
        st.dictionaries(
            st.sampled_from((*HEADERS, "x-other", "x-set", "End-User")),
            st.sampled_from(values).flatmap(near),
            max_size=2,
        )
    )
    sent = (*headers.items(), *draw(_origins), *draw(_tokens()))
    path = draw(st.sampled_from(paths).flatmap(near))
    return Asked(
        sender=sender,
        authority=draw(st.sampled_from(hosts)) + draw(st.sampled_from(PORTS)),
        path=(path if path.startswith("/") else f"/{path}") + draw(st.sampled_from(QUERIES)),
        method=draw(st.sampled_from(("GET", "GET", *METHODS))),
        headers=tuple({name.lower(): (name, value) for name, value in sent}.values()),
        port=draw(st.sampled_from(ports)),
    )


_preflight = ("access-control-request-method", "GET")
_origins = st.sampled_from(
    [*[()] * 6, *([("origin", f"http://{name}.test"), *rest] for name in "ab" for rest in ([], [_preflight]))]
)


@st.composite
def _tokens(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    """Headers with a token, mostly none."""
    kind = draw(st.sampled_from(["", "", "", "good", "good", "bad"]))
    if not kind:
        return ()
    signed = _signed(draw)
    if kind == "bad":
        signed = draw(st.sampled_from(["not.a.token", f"{signed[:-8]}AAAAAAAA", ""]))
    place = draw(st.sampled_from(["authorization", "authorization", "x-token"]))
    scheme = draw(st.sampled_from(["Bearer ", "Bearer ", "bearer ", "Token ", ""]))
    return ((place, f"{scheme}{signed}"),)


def _signed(draw: st.DrawFn) -> str:
    group: Any = draw(st.sampled_from([*GROUPS, list(GROUPS), "admin"]))
    claims: dict[str, Any] = {"group": group, "nested": {"group": group}}
    if draw(st.booleans()):
        claims["aud"] = draw(st.sampled_from([AUDIENCE, ["x", AUDIENCE], "nobody"]))
    if draw(st.booleans()):
        claims["azp"] = "client"
    claims["iss"] = draw(st.sampled_from([ISSUER, ISSUER, OTHER_ISSUER]))
    claims["exp"] = draw(st.sampled_from([4_000_000_000, 4_000_000_000, 1_000_000_000]))
    return token(**claims)


def _gateway_ports(objects: Iterable[Json]) -> set[int]:
    """The ports at which the Gateways of a mesh have servers."""
    gateways = [item for item in objects if item["kind"] == "Gateway"]
    return {server["port"]["number"] for item in gateways for server in item["spec"]["servers"]}


def _named(objects: Iterable[Json]) -> tuple[list[str], list[str]]:
    """The paths and the other values that conditions of the objects name."""
    paths: list[str] = []
    values: list[str] = []
    for text in (text for item in objects for text in _texts(item["spec"])):
        if text in REGEXES:
            (paths if "/" in text else values).extend(REGEXES[text])
        elif text.startswith("/"):
            paths.append(text.replace("*", "b").replace("{", "").replace("}", ""))
        elif len(text) < 12:
            values.append(text)
    return paths, values


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, below in value.items():
            if name not in ("hosts", "host", "gateways", "labels"):
                yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)
