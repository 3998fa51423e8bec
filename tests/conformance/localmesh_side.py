"""The configuration that localmesh makes of a case, in elements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

from localmesh.catalog import Proxy, ProxyKind
from localmesh.envoy_messages.messages import CLUSTER, ENDPOINTS, LISTENER, ROUTE, canonical
from localmesh.manifests import Resource
from localmesh.translate import ProxyConfig, translate
from localmesh.translate.from_manifests import proxies
from localmesh.translate.listeners import OUTBOUND
from localmesh.translate.security import with_policies
from tests.conformance.elements import (
    Elements,
    Json,
    Name,
    cluster_elements,
    endpoint_elements,
    listener_elements,
    outbound_elements,
    route_elements,
)

_INBOUND = "inbound_"


def localmesh_elements(resources: Iterable[Resource]) -> Elements:
    """The elements of one pod of each workload, and of the gateways."""
    resources = tuple(resources)
    catalog, known = proxies(resources)
    workloads = frozenset(
        f"{resource.name}.{resource.namespace}"
        for resource in (*resources, *catalog.gateway_api.workloads)
        if resource.kind == "Deployment"
    )
    by_name = {name_of(proxy): proxy for proxy in reversed(known)}
    return {
        Name(name, part, element): value
        for name, proxy in by_name.items()
        for kind, document in _documents(translate(catalog, proxy))
        for _, part, element, value in _pieces(kind, json.dumps(document), workloads, proxy.kind)
    }


def name_of(proxy: Proxy) -> str:
    """The name of a proxy in the comparison: its workload and namespace."""
    return f"{proxy.workload}.{proxy.namespace}"


def _documents(config: ProxyConfig) -> Iterator[tuple[str, Json]]:
    """The parts of a configuration with their types."""
    parts = {
        ROUTE: (*config.routes, *config.further_routes),
        CLUSTER: config.clusters,
        ENDPOINTS: config.endpoints,
        LISTENER: [with_policies(listener, config.policies) for listener in config.listeners],
    }
    return ((kind, document) for kind, documents in parts.items() for document in documents)


@cache
def _pieces(
    kind: str, document: str, workloads: frozenset[str], of: ProxyKind
) -> tuple[tuple[str, str, str, Any], ...]:
    """The elements of one document, without the name of the proxy.

    Most documents are the same in many cases, and almost all of the time is spent on printing them.
    """
    printed = canonical(kind, json.loads(document))
    if kind == CLUSTER:
        printed = _without_metadata_exchange(printed)
    elements = _LISTED[kind]([printed]) if kind in _LISTED else ()
    if kind == ENDPOINTS:
        elements = endpoint_elements("", [printed], workloads)
    elif kind == LISTENER and (port := _port(printed, of)):
        elements = listener_elements("", port, printed["filterChains"])
    elif kind == LISTENER and printed["name"] != OUTBOUND:
        port = printed["address"]["socketAddress"]["portValue"]
        elements = outbound_elements("", port, printed["filterChains"], printed.get("defaultFilterChain"))
    return tuple((*name, value) for name, value in elements)


def _without_metadata_exchange(cluster: Json) -> Json:
    """A cluster without the filters that remove the header of metadata exchange."""
    extensions = cluster.get("typedExtensionProtocolOptions", {})
    kept = {
        name: {field: value for field, value in options.items() if field != "httpFilters"}
        for name, options in extensions.items()
    }
    needed = {
        name: options for name, options in kept.items() if not _ONLY_FOR_FILTERS.items() >= options.items()
    }
    rest = {key: value for key, value in cluster.items() if key != "typedExtensionProtocolOptions"}
    return {**rest, "typedExtensionProtocolOptions": needed} if needed else rest


_ONLY_FOR_FILTERS = {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "explicitHttpConfig": {"httpProtocolOptions": {}},
}
"""The options of a cluster that has them because Envoy allows no filters without them."""
_LISTED = {ROUTE: partial(route_elements, ""), CLUSTER: partial(cluster_elements, "")}


def _port(listener: Json, of: ProxyKind) -> int | None:
    """The port of the application or gateway that a listener is for; None for the outbound one."""
    if of is ProxyKind.GATEWAY:
        return int(listener["address"]["socketAddress"]["portValue"])
    name: str = listener["name"]
    return int(name.removeprefix(_INBOUND)) if name.startswith(_INBOUND) else None
