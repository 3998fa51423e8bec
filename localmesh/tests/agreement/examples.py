"""Generated examples: the objects of a mesh, and requests of its workloads and of clients outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from localmesh.explain import OUTSIDE
from localmesh.tests.agreement.asking import Asked
from localmesh.tests.agreement.gateways import (
    TCP_PORT,
    connection_routes,
    detours,
    edges,
    egress_rules,
    exits,
)
from localmesh.tests.agreement.naming import Named, named
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
    rarely,
    service_entries,
    services,
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


def _of_registry(sidecar: Json, mode: str) -> Json:
    """A Sidecar with a mode for hosts that the mesh does not know."""
    return (
        {**sidecar, "spec": {**sidecar["spec"], "outboundTrafficPolicy": {"mode": mode}}} if mode else sidecar
    )


_sidecars = st.builds(_of_registry, sidecars(), st.sampled_from(["", "ALLOW_ANY", "REGISTRY_ONLY"]))


def _meshes(*, with_egress: bool) -> st.SearchStrategy[tuple[Json, ...]]:
    """The objects of a mesh; some lead through the egress gateway if there is one."""
    detour = st.one_of(detours(), exits()) if with_egress else detours()
    groups = st.tuples(
        _often(virtual_services(), (1, 2, 3)),
        _often(detour, (0, 0, 0, 1)),
        _often(egress_rules(), (0, 1) if with_egress else (0,)),
        _often(connection_routes(), (0, 0, 0, 1)),
        _often(delegates(), (0, 0, 1)),
        _often(services(), (0, 0, 1)),
        _often(destination_rules(), (0, 1, 2)),
        _often(edges(), (0, 1, 1, 2)),
        _often(service_entries(), (0, 1)),
        _often(_sidecars, (0, 0, 0, 1)),
        _often(authorization_policies(), (0, 1, 1, 2)),
        _often(request_authentications(), (0, 0, 1, 2)),
        _often(peer_authentications(), (0, 0, 1)),
        st.sampled_from([SUBSETS, SUBSETS, SUBSETS, []]),
    )
    return groups.map(lambda groups: tuple(unique((*(item for group in groups for item in group), EDGE))))


def examples(count: int, *, with_egress: bool) -> st.SearchStrategy[Example]:
    """Meshes with this many requests each."""
    return _meshes(with_egress=with_egress).flatmap(
        lambda objects: st.lists(requests(objects), min_size=count, max_size=count).map(
            lambda chosen: Example(objects, tuple(chosen))
        )
    )


def requests(objects: Iterable[Json]) -> st.SearchStrategy[Asked]:
    """Requests that are made of what the objects name, or almost of that."""
    objects = tuple(objects)
    return _requests(named(objects), sorted(_doors(objects)))


@st.composite
def _requests(draw: st.DrawFn, rules: Named, doors: list[tuple[int, bool]]) -> Asked:
    sender = draw(st.sampled_from(SENDERS))
    port, secure = draw(st.sampled_from(doors)) if sender == OUTSIDE else (80, False)
    hosts = (*GATEWAY_HOSTS, *rules.gateway_hosts * 4) if sender == OUTSIDE else rules.mesh_hosts * 4
    path = draw(st.sampled_from((*PATHS, *rules.paths * 3)).flatmap(near))
    tokens, query = draw(_tokens(rules))
    query = query or draw(st.sampled_from((*QUERIES, *rules.queries * 3)))
    sent = (*draw(st.lists(_headers(rules), max_size=2)), *draw(_origins), *tokens)
    return Asked(
        sender=sender,
        authority=draw(st.sampled_from((*hosts, *MESH_HOSTS))) + draw(st.sampled_from(PORTS)),
        path=(path if path.startswith("/") else f"/{path}") + query,
        method=draw(st.sampled_from(("GET", "GET", *METHODS))),
        headers=tuple({name.lower(): (name, value) for name, value in sent}.values()),
        port=port,
        secure=secure != draw(rarely) if sender == OUTSIDE and port != TCP_PORT else False,
    )


def _headers(rules: Named) -> st.SearchStrategy[tuple[str, str]]:
    """Mostly a header that a rule names with a value that it names, or almost that value."""
    others = st.tuples(st.sampled_from((*HEADERS, "x-other", "End-User")), st.sampled_from(VALUES))
    if not rules.headers:
        return others
    pairs = st.sampled_from(rules.headers).flatmap(lambda pair: st.tuples(st.just(pair[0]), near(pair[1])))
    return st.one_of(pairs, pairs, others)


_preflight = ("access-control-request-method", "GET")
_origins = st.sampled_from(
    [*[()] * 6, *([("origin", f"http://{name}.test"), *rest] for name in "ab" for rest in ([], [_preflight]))]
)


_PLACES = (
    *(("header", "authorization", prefix) for prefix in ("Bearer ", "bearer ", "")),
    ("header", "x-token", "Token "),
    ("cookie", "token", ""),
)


@st.composite
def _tokens(draw: st.DrawFn, rules: Named) -> tuple[tuple[tuple[str, str], ...], str]:
    """Headers and a query with a token, mostly none, or one where a rule looks for it."""
    kind = draw(st.sampled_from(["", "good", "good", "bad"] if rules.places else ["", "", "", "good", "bad"]))
    if not kind:
        return (), ""
    signed = _signed(draw)
    if kind == "bad":
        signed = draw(st.sampled_from(["not.a.token", f"{signed[:-8]}AAAAAAAA", ""]))
    place, name, prefix = draw(st.sampled_from((*_PLACES, *rules.places * 8)))
    if place == "parameter":
        return (), f"?a=b&{name}={signed}"
    if place == "cookie":
        return (("cookie", f"a=b; {name}={signed}"),), ""
    return ((name, f"{prefix}{signed}"),), ""


def _signed(draw: st.DrawFn) -> str:
    group: Any = draw(st.sampled_from([*GROUPS, list(GROUPS), "admin"]))
    claims: dict[str, Any] = {"group": group, "nested": {"group": group}, "scope": "read write"}
    if draw(st.booleans()):
        claims["aud"] = draw(st.sampled_from([AUDIENCE, ["x", AUDIENCE], "nobody"]))
    if draw(st.booleans()):
        claims["azp"] = "client"
    claims["iss"] = draw(st.sampled_from([ISSUER, ISSUER, OTHER_ISSUER]))
    claims["exp"] = draw(st.sampled_from([4_000_000_000] * 5 + [1_000_000_000]))
    return token(**claims)


def _doors(objects: Iterable[Json]) -> set[tuple[int, bool]]:
    """The ports at which the Gateways of a mesh have servers, and whether these have TLS."""
    gateways = [item for item in objects if item["kind"] == "Gateway"]
    servers = [server for item in gateways for server in item["spec"]["servers"]]
    return {(server["port"]["number"], server["port"]["protocol"] == "HTTPS") for server in servers}
