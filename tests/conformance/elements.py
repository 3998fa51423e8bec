"""A proxy's configuration in comparable pieces: virtual hosts, clusters, load assignments, listener ports.

Both Istio's and localmesh's configuration is divided here, in the canonical form of Envoy's JSON. Fields
that do not affect behaviour (names of statistics, access logs) and that depend on the cluster (addresses of
pods and Services) are removed.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]

COMMON_FILTERS = frozenset(
    {
        "envoy.filters.http.cors",
        "envoy.filters.http.dynamic_forward_proxy",
        "envoy.filters.http.fault",
        "envoy.filters.http.grpc_stats",
        "envoy.filters.http.header_mutation",
        "envoy.filters.http.header_to_metadata",
        "envoy.filters.http.router",
        "istio.alpn",
        "istio.metadata_exchange",
        "istio.stats",
    }
)
"""HTTP filters of all proxies, or of all of Istio or of localmesh, which are not compared."""
LOOKUP_FILTERS = frozenset(
    {"envoy.filters.network.set_filter_state", "envoy.filters.network.sni_dynamic_forward_proxy"}
)
"""Network filters of localmesh that look up what the caller of an Istio's proxy has looked up."""
_SILENT = frozenset({"statPrefix", "altStatName", "accessLog", "tracing", "metadata", "rulesStatPrefix"})
_SILENT |= {"shadowRulesStatPrefix", "transportSocketConnectTimeout"}
# when connections are logged, and the header of metadata exchange, for which Istio has filters of its own
_SILENT |= {"accessLogOptions", "earlyHeaderMutationExtensions"}
_ADDRESS = re.compile(r"^(\d+\.\d+\.\d+\.\d+(:\d+)?|\[?[0-9a-f]*:[0-9a-f:]+(\]:\d+)?)$")
_ENTRY = re.compile(
    r"^\[?(240\.|2001:db8:)"
)  # addresses of ServiceEntries, which the cluster does not assign
_CONTROL_PLANE = re.compile(
    r"\.istio-system\.svc\.cluster\.local|\bkubernetes\.default\.svc|\.kube-system\.svc"
)
_CONTROL_PLANE_PORT = re.compile(r"^15\d\d\d$")


class Name(NamedTuple):
    """The name of an element: ``client.shop``, ``routes``, ``80 web.shop.svc.cluster.local:80``."""

    proxy: str
    part: str
    name: str

    def __str__(self) -> str:
        return f"{self.proxy} {self.part} {self.name}"


Elements = dict[Name, Any]

PARTS = {
    "routes": "every virtual host with its domains and routes, inbound and outbound, and the settings of the "
    "route configurations",
    "clusters": "load balancing, limits, ejection, protocols, discovery, TLS towards endpoints",
    "endpoints": "the pods behind each cluster with their ports, weights, localities and health, and whether "
    "they are called with mTLS",
    "listeners": "for every port of the application or gateway: the filter chains with their TLS, the "
    "filters for tokens, authorization and EnvoyFilters, and the settings of connections; for every TCP port "
    "that a sidecar's application calls: the filter chains with their routes",
}
"""What is compared, by part."""


def route_elements(proxy: str, configurations: Iterable[Json]) -> Iterator[tuple[Name, Any]]:
    """A route configuration's own settings, and each of its virtual hosts."""
    for configuration in configurations:
        name = configuration["name"]
        if _CONTROL_PLANE_PORT.match(name) or _CONTROL_PLANE.search(name):
            continue
        settings = {key: value for key, value in configuration.items() if key not in ("name", "virtualHosts")}
        yield Name(proxy, "routes", name), reduced(settings)
        for host in configuration.get("virtualHosts", ()):
            if not _CONTROL_PLANE.search(host["name"]):
                yield Name(proxy, "routes", f"{name} {host['name']}"), _virtual_host(host)


def _virtual_host(host: Json) -> Json:
    out: Json = reduced({key: value for key, value in host.items() if key != "name"})
    out["domains"] = [
        domain for domain in host["domains"] if not _ADDRESS.match(domain) or _ENTRY.match(domain)
    ]
    for route in out.get("routes", ()):
        # Istio iterates over a Go map here: the order changes from one push to the next and has no meaning
        if "queryParameters" in route["match"]:
            route["match"]["queryParameters"].sort(key=lambda parameter: parameter["name"])
    return out


def cluster_elements(proxy: str, clusters: Iterable[Json]) -> Iterator[tuple[Name, Any]]:
    """The clusters, without those of the control plane."""
    for cluster in clusters:
        if not _CONTROL_PLANE.search(cluster["name"]):
            settings = {key: value for key, value in cluster.items() if key != "name"}
            yield Name(proxy, "clusters", cluster["name"]), reduced(settings)


def endpoint_elements(
    proxy: str, assignments: Iterable[Json], workloads: Container[str]
) -> Iterator[tuple[Name, Any]]:
    """The endpoints of each cluster: localities, weights, health, and whether they are called with mTLS.

    Pods of the workloads have the workload's name, ``web-v1.shop``; other endpoints have their addresses.
    """
    for assignment in assignments:
        if not _CONTROL_PLANE.search(assignment["clusterName"]):
            localities = [_locality(group, workloads) for group in assignment.get("endpoints", ())]
            yield Name(proxy, "endpoints", assignment["clusterName"]), localities


def _locality(group: Json, workloads: Container[str]) -> Json:
    return {
        "locality": group.get("locality", {}),
        "weight": group.get("loadBalancingWeight"),
        "priority": group.get("priority", 0),
        "endpoints": sorted(
            (_endpoint(endpoint, workloads) for endpoint in group.get("lbEndpoints", ())), key=str
        ),
    }


def _endpoint(endpoint: Json, workloads: Container[str]) -> Json:
    metadata = endpoint.get("metadata", {}).get("filterMetadata", {})
    address = endpoint["endpoint"]["address"]["socketAddress"]
    workload = ".".join(metadata.get("istio", {}).get("workload", "").split(";")[:2])
    return {
        "at": workload if workload in workloads else address["address"],
        "port": address["portValue"],
        "weight": endpoint.get("loadBalancingWeight"),
        "health": endpoint.get("healthStatus"),
        "tls": metadata.get("envoy.transport_socket_match", {}).get("tlsMode", "none"),
    }


def listener_elements(proxy: str, port: int, chains: Iterable[Json]) -> Iterator[tuple[Name, Any]]:
    """The filter chains of a port, its security filters, and the settings of its connections.

    These are three elements if all filter chains of HTTP agree on the latter two, as those of Istio do. Only
    the first is there where no filter chain is for HTTP.
    """
    chains = list(chains)
    managers = [chain["filters"][-1]["typedConfig"] for chain in chains if _is_http(chain)]
    yield Name(proxy, "listeners", f"{port} chains"), [_chain(chain) for chain in chains]
    if managers:
        yield from _agreed(proxy, f"{port} policies", [_policies(manager) for manager in managers])
        yield from _agreed(proxy, f"{port} connections", [_connections(manager) for manager in managers])


def _is_http(chain: Json) -> bool:
    return bool(chain["filters"][-1]["name"] == "envoy.filters.network.http_connection_manager")


def _chain(chain: Json) -> Json:
    match = {
        key: value for key, value in chain.get("filterChainMatch", {}).items() if key != "destinationPort"
    }
    filters = {} if _is_http(chain) else {"filters": reduced(chain["filters"])}
    return {"match": match, "transportSocket": reduced(chain.get("transportSocket", {})), **filters}


def _policies(manager: Json) -> list[Json]:
    return [reduced(item) for item in manager["httpFilters"] if item["name"] not in COMMON_FILTERS]


def _connections(manager: Json) -> Json:
    excluded = {"@type", "httpFilters", "routeConfig"}
    kept: Json = reduced({key: value for key, value in manager.items() if key not in excluded})
    return kept


def outbound_elements(
    proxy: str, port: int, chains: Iterable[Json], default: Json | None
) -> Iterator[tuple[Name, Any]]:
    """The filter chains by which a sidecar forwards connections to a port, and what takes the rest.

    Each is one element, named after what it leads to: Istio has the chains of several hosts in one listener
    where these have no address.
    """
    for chain in chains:
        settings = chain["filters"][-1]["typedConfig"]
        if _is_http(chain) or _CONTROL_PLANE.search(settings["statPrefix"]):
            continue
        names = (chain.get("filterChainMatch") or {}).get("serverNames") or ()
        name = " ".join(("outbound", str(port), settings["statPrefix"], *names))
        yield Name(proxy, "listeners", name), _forwarding_chain(chain)
    if default is not None:
        yield Name(proxy, "listeners", f"outbound {port} default"), _forwarding_chain(default)


def _forwarding_chain(chain: Json) -> Json:
    """A filter chain without the filters by which a proxy of localmesh looks up hosts."""
    filters = [item for item in chain["filters"] if item["name"] not in LOOKUP_FILTERS]
    return _chain({**chain, "filters": filters})


def _agreed(proxy: str, name: str, values: list[Any]) -> Iterator[tuple[Name, Any]]:
    if all(value == values[0] for value in values):
        yield Name(proxy, "listeners", name), values[0]
        return
    for number, value in enumerate(values):
        yield Name(proxy, "listeners", f"{name} of chain {number}"), value


def reduced(value: Any) -> Any:
    """The same JSON without fields that do not affect behaviour; the source of resources becomes `ADS`."""
    if isinstance(value, list):
        return [reduced(item) for item in value]
    if isinstance(value, Mapping):
        return {
            key: "ADS" if _is_source(below) else reduced(below)
            for key, below in value.items()
            if key not in _SILENT
        }
    return value


def _is_source(value: Any) -> bool:
    """Whether a value is a source of resources; in Istio the agent serves secrets over its own socket."""
    return isinstance(value, Mapping) and ("ads" in value or "apiConfigSource" in value)
