"""The calling side: the sidecar of a client, or a gateway, chooses a route and its destinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from localmesh.explain.connection_rules import connection_rule
from localmesh.explain.cors import cors_changes, preflight_answer
from localmesh.explain.explanation import (
    Actions,
    Answer,
    Destination,
    HeaderChange,
    Mirror,
    Routing,
    SkippedRule,
)
from localmesh.explain.prepared import PreparedProxy
from localmesh.explain.request import Message
from localmesh.explain.route_actions import (
    direct_answer,
    faults_of,
    header_changes_of,
    percent_of,
    redirected,
    response_changes,
    rewritten,
    with_values,
)
from localmesh.explain.route_tables import choose
from localmesh.explain.upstreams import Upstream
from localmesh.translate.formats import BLOCK_ALL
from localmesh.translate.single_pods import chosen_pod

Json = Mapping[str, Any]

_CORS = "envoy.filters.http.cors"
_NO_ROUTE = Answer(404, "NR", "no route matches")


class Leg(NamedTuple):
    """One way on from a proxy: a destination with its share, and the request as it is sent there.

    `response_changes` are those of the route and of its CORS policy. `refusal_changes` are those that the
    route makes to the answers of the proxy before it changes the request: their values are of the request as
    it arrived. `cors_changes` are those of the CORS policy alone. `retries` is Envoy's policy.
    `missing_status` is the answer without a cluster.
    """

    destination: Destination
    upstream: Upstream
    message: Message
    response_changes: tuple[HeaderChange, ...] = ()
    refusal_changes: tuple[HeaderChange, ...] = ()
    cors_changes: tuple[HeaderChange, ...] = ()
    retries: Json | None = None
    missing_status: int = 503


class Routed(NamedTuple):
    """The decisions of a route configuration, and the ways on, or the answer that the proxy gives."""

    routing: Routing
    legs: tuple[Leg, ...] = ()
    answer: Answer | None = None


def route(
    prepared: PreparedProxy, table_name: str, message: Message, judged: Message | None = None
) -> Routed:
    """What a route configuration of a proxy makes of a request.

    Envoy chooses the route before its filters run; `judged` is the request after those that judge it.
    """
    table = prepared.route_table(table_name)
    virtual_host, domain = table.virtual_host(message) if table else (None, "")
    if table is None or virtual_host is None:
        return Routed(Routing(table_name), answer=_NO_ROUTE)
    if virtual_host.get("requireTls") == "ALL" and message.scheme == "http":
        return Routed(Routing(table_name, virtual_host["name"], domain), answer=_to_https(judged or message))
    choice = choose(virtual_host, message)
    routing = Routing(
        table_name,
        virtual_host["name"],
        domain,
        skipped=tuple(
            SkippedRule(prepared.rule(table, virtual_host, other), failed) for other, failed in choice.skipped
        ),
    )
    if choice.route is None:
        return Routed(routing, answer=_NO_ROUTE)
    rule = prepared.rule(table, virtual_host, choice.route)
    return _acted(prepared, choice.route, replace(routing, rule=rule), judged or message)


def forwarded(prepared: PreparedProxy, chain: Json, message: Message) -> Routed:
    """Where a filter chain forwards connections that the gateway does not read: TCP, and passed-on TLS."""
    settings = chain["filters"][-1]["typedConfig"]
    weighted = (settings.get("weightedClusters") or {}).get("clusters") or [
        {"name": settings["cluster"], "weight": 1}
    ]
    total = sum(entry["weight"] for entry in weighted)
    pod = chosen_pod(settings)
    legs = []
    for entry in weighted:
        upstream = prepared.upstreams.named(entry["name"])
        upstream = upstream.of_pod(pod) if pod else upstream
        percent = 100.0 * entry["weight"] / total
        legs.append(Leg(replace(upstream.destination, percent=percent), upstream, message))
    routing = Routing(
        "",
        destinations=tuple(leg.destination for leg in legs),
        connection_rule=connection_rule(prepared, chain, message),
    )
    return Routed(routing, tuple(legs))


def _acted(prepared: PreparedProxy, chosen: Json, routing: Routing, message: Message) -> Routed:
    """What the chosen route does."""
    actions = prepared.tables.of(chosen, lambda route: _actions(prepared, route))
    if "redirect" in chosen:
        return Routed(replace(routing, actions=actions), answer=redirected(message, chosen))
    if "directResponse" in chosen:
        answer = direct_answer(message, chosen)
        if chosen.get("name") == BLOCK_ALL:
            answer = replace(answer, cause="the mesh does not know the host, and requests may not leave it")
        return Routed(replace(routing, actions=actions), answer=answer)
    legs = tuple(_legs(prepared, chosen, message))
    routing = replace(routing, actions=actions, destinations=tuple(leg.destination for leg in legs))
    preflight = preflight_answer(actions.cors, message)
    return Routed(routing, () if preflight else legs, preflight)


def _to_https(message: Message) -> Answer:
    location = f"https://{message.authority}{message.path}"
    return Answer(301, cause="the server of the Gateway redirects to HTTPS", headers={"location": location})


def _legs(prepared: PreparedProxy, chosen: Json, message: Message) -> Iterator[Leg]:
    action = chosen["route"]
    if "cluster" in action:
        upstream = prepared.upstreams.named(action["cluster"])
        yield _leg(upstream, upstream.destination, message, chosen)
        return
    entries = action["weightedClusters"]["clusters"]
    total = sum(entry["weight"] for entry in entries)
    for entry in entries:
        upstream = prepared.upstreams.named(entry["name"])
        destination = replace(
            upstream.destination,
            percent=100.0 * entry["weight"] / total,
            header_changes=header_changes_of(entry),
        )
        yield _leg(upstream, destination, message, chosen, entry)


def _leg(
    upstream: Upstream, destination: Destination, message: Message, chosen: Json, *weighted: Json
) -> Leg:
    """One way on; the response is changed by the destination, then by the route, then by the CORS filter."""
    sent = rewritten(message, chosen, *weighted)
    policy = (chosen.get("typedPerFilterConfig") or {}).get(_CORS)
    cors = tuple(cors_changes(policy, message))
    written = response_changes(*weighted, chosen)
    changes = (*with_values(written, sent), *cors)
    refusal = tuple(with_values(written, message)) if written else ()
    is_internal = "clusterNotFoundResponseCode" in chosen["route"]  # of a route of the Gateway API
    retries, status = chosen["route"].get("retryPolicy"), 500 if is_internal else 503
    return Leg(destination, upstream, sent, changes, refusal, cors, retries, status)


def _actions(prepared: PreparedProxy, chosen: Json) -> Actions:
    action = chosen.get("route") or {}
    mirrors = tuple(
        Mirror(
            prepared.upstreams.named(mirror["cluster"]).destination,
            percent_of(mirror["runtimeFraction"]["defaultValue"]),
        )
        for mirror in action.get("requestMirrorPolicies") or ()
    )
    timeout = action.get("timeout", "0s")
    return Actions(
        rewrite_path=_rewrite(action),
        rewrite_authority=action.get("hostRewriteLiteral", ""),
        header_changes=header_changes_of(chosen),
        timeout="" if timeout == "0s" else timeout,
        retries=action.get("retryPolicy"),
        faults=faults_of(chosen),
        mirrors=mirrors,
        cors=(chosen.get("typedPerFilterConfig") or {}).get(_CORS),
        hash_policy=tuple(action.get("hashPolicy") or ()),
    )


def _rewrite(action: Json) -> str:
    if "regexRewrite" in action:
        rewrite = action["regexRewrite"]
        return f"{rewrite['pattern']['regex']} → {rewrite['substitution']}"
    return str(action.get("prefixRewrite", ""))
