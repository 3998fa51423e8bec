"""Which routes of a proxy lead to which of its clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.explain.prepared import PreparedProxy
from localmesh.explain.route_actions import percent_of
from localmesh.explain.route_tables import RouteTable

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lead:
    """A route that leads to a cluster: with a share in percent of its requests, or with copies of them.

    `clusters` are all that the route divides its requests among.
    """

    table: RouteTable
    virtual_host: Json
    route: Json
    cluster: str
    percent: float
    is_mirror: bool = False
    clusters: tuple[str, ...] = ()

    @property
    def is_weighted(self) -> bool:
        """Whether the route divides its requests among several clusters."""
        return len(self.clusters) > 1 and not self.is_mirror


def leads_of(prepared: PreparedProxy) -> Mapping[str, tuple[Lead, ...]]:
    """The routes of a proxy by the cluster to which they lead."""
    found: dict[str, list[Lead]] = {}
    for configuration in prepared.config.routes:
        for lead in leads_in(prepared, configuration["name"]):
            found.setdefault(lead.cluster, []).append(lead)
    return {cluster: tuple(leads) for cluster, leads in found.items()}


def leads_in(prepared: PreparedProxy, configuration: str) -> tuple[Lead, ...]:
    """The leads of the route configuration of that name; proxies that share it are looked at once."""
    table = prepared.route_table(configuration)
    leads: tuple[Lead, ...] = prepared.tables.of(table, _leads) if table is not None else ()
    return leads


def _leads(table: RouteTable) -> tuple[Lead, ...]:
    return tuple(
        lead
        for virtual_host in table.virtual_hosts
        for route in virtual_host["routes"]
        for lead in _of_route(table, virtual_host, route)
    )


def _of_route(table: RouteTable, virtual_host: Json, route: Json) -> Iterator[Lead]:
    action = route.get("route") or {}
    weighted = (action.get("weightedClusters") or {}).get("clusters") or ()
    if "cluster" in action:
        yield Lead(table, virtual_host, route, action["cluster"], 100.0, clusters=(action["cluster"],))
    total = sum(each["weight"] for each in weighted) or 1
    names = tuple(each["name"] for each in weighted)
    for each in weighted:
        percent = 100.0 * each["weight"] / total
        yield Lead(table, virtual_host, route, each["name"], percent, clusters=names)
    for mirror in action.get("requestMirrorPolicies") or ():
        fraction = (mirror.get("runtimeFraction") or {}).get("defaultValue")
        percent = percent_of(fraction) if fraction else 100.0
        yield Lead(table, virtual_host, route, mirror["cluster"], percent, is_mirror=True)
