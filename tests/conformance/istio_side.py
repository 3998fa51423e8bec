"""The configuration that Istio gives a proxy, from `istioctl proxy-config all -o json`, in elements."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from localmesh.envoy_messages.messages import CLUSTER, ENDPOINTS, LISTENER, ROUTE, canonical
from tests.conformance.elements import (
    COMMON_FILTERS,
    Elements,
    Json,
    cluster_elements,
    endpoint_elements,
    listener_elements,
    outbound_elements,
    route_elements,
)

_MANAGER = "envoy.filters.network.http_connection_manager"
_INTERCEPTED = "virtualInbound"
_INTERCEPTION_PORT = 15006
_PARTS = {
    "Routes": "dynamic_route_configs",
    "Clusters": "dynamic_active_clusters",
    "Endpoints": "dynamic_endpoint_configs",
    "Listeners": "dynamic_listeners",
}


class Dump:
    """The configuration dump of one Envoy."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._configs = document["configs"]

    @property
    def routes(self) -> list[Json]:
        """The route configurations that listeners use: those inside them, and those that they name.

        Envoy keeps the routes of a removed listener until its connections have ended.
        """
        managers = [manager for listener in self.listeners for manager in _managers(listener)]
        inline = [manager["route_config"] for manager in managers if "route_config" in manager]
        named = {manager["rds"]["route_config_name"] for manager in managers if "rds" in manager}
        delivered = [routes for routes in self.rds_routes if routes["name"] in named]
        return [_untyped(routes) for routes in (*inline, *delivered) if routes.get("name")]

    @property
    def rds_routes(self) -> list[Json]:
        """The route configurations that were delivered over RDS."""
        return [entry["route_config"] for entry in self._entries("Routes")]

    @property
    def clusters(self) -> list[Json]:
        """The clusters that were delivered over CDS."""
        return [_untyped(entry["cluster"]) for entry in self._entries("Clusters")]

    @property
    def endpoints(self) -> list[Json]:
        """The load assignments."""
        return [_untyped(entry["endpoint_config"]) for entry in self._entries("Endpoints")]

    @property
    def listeners(self) -> list[Json]:
        """The listeners that accept connections."""
        return [
            entry["active_state"]["listener"]
            for entry in self._entries("Listeners")
            if "active_state" in entry
        ]

    @property
    def is_warming(self) -> bool:
        """Whether a new listener is still waiting for its routes."""
        return any("warming_state" in entry for entry in self._entries("Listeners"))

    def _entries(self, part: str) -> Iterator[Json]:
        for config in self._configs:
            if config["@type"].endswith(f".{part}ConfigDump"):
                yield from config.get(_PARTS[part], ())


def _untyped(message: Json) -> Json:
    """A message without its type."""
    return {key: value for key, value in message.items() if key != "@type"}


def _managers(listener: Json) -> Iterator[Json]:
    for chain in (*listener.get("filter_chains", ()), listener.get("default_filter_chain", {})):
        for network_filter in chain.get("filters", ()):
            if network_filter["name"] == _MANAGER:
                yield network_filter["typed_config"]


def istio_elements(proxy: str, dump: Dump, workloads: Container[str]) -> Elements:
    """The elements of one proxy's configuration; `workloads` are those that have pods."""
    clusters = [canonical(CLUSTER, cluster) for cluster in dump.clusters]
    eds_clusters = {item["name"] for item in clusters if item.get("type") == "EDS"}
    assignments = (canonical(ENDPOINTS, assignment) for assignment in dump.endpoints)
    elements: Elements = {}
    elements.update(route_elements(proxy, (canonical(ROUTE, routes) for routes in dump.routes)))
    elements.update(cluster_elements(proxy, clusters))
    assignments = (item for item in assignments if item.get("clusterName") in eds_clusters)
    elements.update(endpoint_elements(proxy, assignments, workloads))
    for port, chains in _ports(dump):
        elements.update(listener_elements(proxy, port, chains))
    for port, chains, default in _forwarding(dump):
        elements.update(outbound_elements(proxy, port, chains, default))
    return elements


def _ports(dump: Dump) -> Iterator[tuple[int, list[Json]]]:
    """The ports of a sidecar's application or of a gateway, with their filter chains.

    Istio's sidecar has one listener for all intercepted connections; its filter chains match the port.
    """
    by_port: dict[int, list[Json]] = {}
    for listener in dump.listeners:
        is_intercepted = listener["name"] == _INTERCEPTED
        if listener.get("traffic_direction") != ("INBOUND" if is_intercepted else "OUTBOUND"):
            continue
        for chain in listener.get("filter_chains", ()):
            port = _matched_port(chain) if is_intercepted else _gateway(listener)
            is_http = chain["filters"][-1]["name"] == _MANAGER
            if port and port != _INTERCEPTION_PORT:
                compared = _comparable(chain) if is_http else _without_logs(chain)
                by_port.setdefault(port, []).append(compared)
    yield from sorted(by_port.items())


def _forwarding(dump: Dump) -> Iterator[tuple[int, list[Json], Json | None]]:
    """The outbound listeners of a sidecar that forward connections, with what takes those of no chain.

    Where a listener has chains for HTTP, all other connections are for hosts that nobody knows.
    """
    for listener in dump.listeners:
        if listener.get("bind_to_port", True) or listener.get("traffic_direction") != "OUTBOUND":
            continue
        chains = listener.get("filter_chains", [])
        of_tcp = [chain for chain in chains if chain["filters"][-1]["name"] != _MANAGER]
        default = listener.get("default_filter_chain") if of_tcp == chains else None
        port = listener["address"]["socket_address"]["port_value"]
        yield port, list(map(_without_logs, of_tcp)), _without_logs(default) if default else None


def _matched_port(chain: Json) -> int | None:
    """The port that a filter chain of the inbound listener matches; None if it is not a port of a Service."""
    port: int | None = chain.get("filter_chain_match", {}).get("destination_port")
    return port


def _gateway(listener: Json) -> int | None:
    """The port of a gateway's listener; None for a sidecar's outbound one, which is not bound to its port."""
    binds = listener.get("bind_to_port", True)
    port: int = listener["address"]["socket_address"]["port_value"]
    return port if binds and listener["name"] != "virtualOutbound" else None


def _without_logs(chain: Json) -> Json:
    """A filter chain that forwards connections, in canonical form, without logs and Istio's own filters."""
    filters = [
        {
            **network_filter,
            "typed_config": {
                key: value for key, value in network_filter["typed_config"].items() if key != "access_log"
            },
        }
        for network_filter in chain["filters"]
        if network_filter["name"] not in COMMON_FILTERS
    ]
    printed: Json = canonical(LISTENER, {"name": "one", "filterChains": [{**chain, "filters": filters}]})
    kept: Json = printed["filterChains"][0]
    return kept


def _comparable(chain: Json) -> Json:
    """A filter chain in canonical form, without filters and access logs that only Istio's Envoy has."""
    manager = chain["filters"][-1]["typed_config"]
    kept = {
        key: value for key, value in manager.items() if key not in ("access_log", "tracing", "route_config")
    }
    kept["http_filters"] = [
        http_filter for http_filter in manager["http_filters"] if http_filter["name"] not in COMMON_FILTERS
    ]
    one = {**chain, "filters": [{**chain["filters"][-1], "typed_config": kept}]}
    printed: Json = canonical(LISTENER, {"name": "one", "filterChains": [one]})["filterChains"][0]
    printed["filters"][-1]["typedConfig"].setdefault("httpFilters", [])
    return printed
