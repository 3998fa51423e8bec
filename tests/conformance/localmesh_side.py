"""What localmesh makes of a case, in comparable pieces."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from functools import cache
from typing import Any

from localmesh.catalog import Proxy, ProxyKind
from localmesh.manifests import Resource
from localmesh.offline import proxies
from localmesh.translate import ProxyConfig, translate
from localmesh.translate.policies import with_policies
from localmesh.xds.messages import CLUSTER, ENDPOINTS, LISTENER, ROUTE, canonical
from tests.conformance.elements import (
    Elements,
    Json,
    Name,
    cluster_elements,
    endpoint_elements,
    listener_elements,
    route_elements,
)

_INBOUND = "inbound_"


def localmesh_elements(resources: Iterable[Resource]) -> Elements:
    """The configuration of one pod of every workload, and of the gateways."""
    catalog, known = proxies(resources)
    found: Elements = {}
    by_name = {name_of(proxy): proxy for proxy in reversed(known)}
    for name, proxy in by_name.items():
        found.update(_elements(name, proxy, translate(catalog, proxy), by_name.keys()))
    return found


def name_of(proxy: Proxy) -> str:
    """What a proxy is called here: its workload and namespace."""
    return f"{proxy.workload}.{proxy.namespace}"


def _elements(
    name: str, proxy: Proxy, config: ProxyConfig, workloads: Container[str]
) -> Iterator[tuple[Name, Any]]:
    yield from route_elements(name, _printed(ROUTE, (*config.routes, *config.further_routes)))
    yield from cluster_elements(name, _printed(CLUSTER, config.clusters))
    yield from endpoint_elements(name, _printed(ENDPOINTS, config.endpoints), workloads)
    listeners = (with_policies(listener, config.policies) for listener in config.listeners)
    for listener in _printed(LISTENER, listeners):
        if proxy.kind is ProxyKind.GATEWAY:
            port = listener["address"]["socketAddress"]["portValue"]
        elif listener["name"].startswith(_INBOUND):
            port = int(listener["name"].removeprefix(_INBOUND))
        else:
            continue
        yield from listener_elements(name, port, listener["filterChains"])


def _printed(kind: str, documents: Iterable[Json]) -> list[Json]:
    return [_canonical(kind, json.dumps(document)) for document in documents]


@cache
def _canonical(kind: str, document: str) -> Json:
    """Most of what proxies are told is the same in many cases; printing it takes nearly all the time."""
    return canonical(kind, json.loads(document))
