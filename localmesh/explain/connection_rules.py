"""Which rule of a VirtualService, under `tcp` or `tls`, a proxy forwards a connection by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.catalog import Server, VirtualService
from localmesh.catalog.connection_routes import ConnectionRoute, Match
from localmesh.catalog.server_routes import connection_routes_of
from localmesh.catalog.sidecar_routes import connection_routes_to
from localmesh.explain.connections import called_port
from localmesh.explain.explanation import Reference
from localmesh.explain.prepared import PreparedProxy
from localmesh.explain.request import Message
from localmesh.problems import FieldPath
from localmesh.translate.connections import sni_match

Json = Mapping[str, Any]


def connection_rule(prepared: PreparedProxy, chain: Json, message: Message) -> Reference | None:
    """The rule by which a proxy forwards the connection of a request; None where none routes it."""
    names = chain.get("filterChainMatch", {}).get("serverNames")
    candidates = _at_gateway if prepared.is_gateway else _at_sidecar
    for virtual_service, route, match, wanted in candidates(prepared, message):
        if sni_match(wanted).get("filterChainMatch", {}).get("serverNames") == names:
            return _reference(virtual_service, route, match)
    return None


_Candidate = tuple[VirtualService, ConnectionRoute, Match, list[str]]
"""A rule with the match by which it applies, and the names that its filter chain is for."""


def _at_sidecar(prepared: PreparedProxy, message: Message) -> Iterator[_Candidate]:
    called = called_port(prepared, message)
    proxy, catalog = prepared.proxy, prepared.catalog
    if called is not None:
        routed = catalog.sidecar_scope(proxy).virtual_services
        for owner, route, match in connection_routes_to(*called, routed, proxy.namespace, proxy.labels):
            yield owner, route, match, list(match.get("sniHosts") or ["*"])


def _at_gateway(prepared: PreparedProxy, message: Message) -> Iterator[_Candidate]:
    proxy, catalog = prepared.proxy, prepared.catalog
    gateway = catalog.gateway(proxy.namespace, proxy.workload)
    visible = [vs for vs in catalog.virtual_services if vs.visible_from(proxy.namespace)]
    owners = {f"{vs.name}.{vs.namespace}": vs for vs in visible}
    for server in gateway.servers if gateway else ():
        if message.port in (server.number, server.target_port) and not (server.is_http or server.is_https):
            for route, match in connection_routes_of(server, visible):
                yield owners[route.owner], route, match, _names(server, match)


def _names(server: Server, match: Match) -> list[str]:
    """The names that a server forwards connections for: those of the match where it does not end TLS."""
    if not server.has_tls:
        return ["*"]
    return [host.name for host in server.hosts] if server.terminates_tls else list(match["sniHosts"])


def _reference(virtual_service: VirtualService, route: ConnectionRoute, match: Match) -> Reference:
    resource, path = virtual_service.resource.origin(FieldPath("spec", route.kind, route.index))
    index = next((place for place, other in enumerate(route.matches) if other is match), None)
    if resource is virtual_service.resource and index is not None:
        path = path / "match" / index
    return Reference(resource, path)
