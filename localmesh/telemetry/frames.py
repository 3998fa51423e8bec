"""What happened on each edge of a graph in a second, and in the last seconds: rates, durations, shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localmesh.telemetry.graph import CLIENTS, Graph, Link, edge_id
from localmesh.telemetry.intervals import wilson
from localmesh.telemetry.request_stats import Endpoint, ProxyCounts, Requests

Json = dict[str, Any]
ProxyName = tuple[str, str]
EndpointsSeen = Mapping[tuple[str, str], Endpoint]
"""Endpoints by cluster and address."""

_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Frame:
    """What all proxies have counted in some `seconds`.

    `links` has the requests to each cluster by its caller's node; `filters` is by node, `ejected` has
    addresses of endpoints.
    """

    seconds: float
    edges: Mapping[str, Requests] = field(default_factory=dict)
    links: Mapping[tuple[str, str], Requests] = field(default_factory=dict)
    filters: Mapping[str, Counter[str]] = field(default_factory=dict)
    ejected: frozenset[str] = frozenset()


def frame_of(
    graph: Graph,
    seconds: float,
    counted: Mapping[ProxyName, ProxyCounts],
    endpoints: Mapping[ProxyName, tuple[EndpointsSeen, EndpointsSeen]],
    workload_at: Mapping[str, str],
) -> Frame:
    """The frame of what proxies have `counted`.

    `endpoints` are those of the clusters that are watched, before and now; `workload_at` has the node behind
    each address.
    """
    by_link: dict[tuple[str, str], list[tuple[ProxyName, Requests]]] = {}
    filters: dict[str, Counter[str]] = {}
    edges: dict[str, list[Requests]] = {}
    gateways = {node.id for node in graph.nodes if node.kind == "gateway"}
    for name, counts in counted.items():
        source = graph.sources.get(name)
        if source is None:
            continue
        filters.setdefault(source, Counter()).update(counts.filters)
        for cluster, requests in counts.clusters.items():
            by_link.setdefault((source, cluster), []).append((name, requests))
        if source in gateways and counts.received.total:
            edges.setdefault(edge_id(CLIENTS, source), []).append(counts.received)
    for link in graph.links:
        for name, requests in by_link.get((link.source, link.cluster), ()):
            before, now = endpoints.get(name, ({}, {}))
            for target, share in _divided(link, requests, before, now, workload_at).items():
                edges.setdefault(edge_id(link.source, target), []).append(share)
    return Frame(
        seconds,
        {edge: Requests.sum(all_of) for edge, all_of in edges.items()},
        {link: Requests.sum(requests for _, requests in of) for link, of in by_link.items()},
        {node: counts for node, counts in filters.items() if counts},
        frozenset(
            address for _, now in endpoints.values() for (_, address), each in now.items() if each.ejected
        ),
    )


def _divided(
    link: Link,
    requests: Requests,
    before: EndpointsSeen,
    now: EndpointsSeen,
    workload_at: Mapping[str, str],
) -> Mapping[str, Requests]:
    """The requests to a cluster by the workload that got them; where there are several, as endpoints count.

    These know only success (200 stands for it) and failure (500), and no durations of their own.
    """
    if len(link.targets) == 1:
        return {link.targets[0]: requests}
    found: dict[str, Counter[int]] = {}
    for (cluster, address), endpoint in now.items():
        target = workload_at.get(address)
        if cluster != link.cluster or target is None:
            continue
        known = before.get((cluster, address), Endpoint(0, 0, ejected=False))
        codes = Counter({200: endpoint.succeeded - known.succeeded, 500: endpoint.failed - known.failed})
        found.setdefault(target, Counter()).update(+codes)
    return {
        target: Requests(codes, requests.milliseconds, codes.total())
        for target, codes in found.items()
        if codes
    }


def summary(recent: Sequence[Frame], since_change: Iterable[Frame], graph: Graph) -> Json:
    """What the page shows: rates over the `recent` frames, shares over all frames `since_change`.

    Of TCP, connections count as requests; `sent` and `received` are bytes per second.
    """
    seconds = sum(frame.seconds for frame in recent) or 1.0
    names = dict.fromkeys(edge for frame in recent for edge in frame.edges)
    counted = {
        name: Requests.sum(frame.edges[name] for frame in recent if name in frame.edges) for name in names
    }
    tcp = graph.tcp_edges
    edges = {name: _edge(of, seconds, is_tcp=name in tcp) for name, of in counted.items()}
    for name, share in shares(since_change, graph).items():
        edges.setdefault(name, {"rate": 0.0})["share"] = share
    filters: dict[str, Counter[str]] = {}
    for frame in recent:
        for node, counts in frame.filters.items():
            filters.setdefault(node, Counter()).update(counts)
    return {
        "edges": edges,
        "filters": {
            node: {name: round(count / seconds, 2) for name, count in counts.items()}
            for node, counts in filters.items()
        },
        "ejected": sorted(recent[-1].ejected) if recent else [],
    }


def _edge(requests: Requests, seconds: float, *, is_tcp: bool) -> Json:
    total = requests.total
    return {
        "rate": round((requests.attempts if is_tcp else total) / seconds, 2),
        "errors": round(100 * requests.errors / total, 2) if total else 0.0,
        "clientErrors": round(100 * requests.client_errors / total, 2) if total else 0.0,
        "percentiles": [_rounded(value) for value in requests.percentiles(*_PERCENTILES)],
        "codes": {str(code): round(count / seconds, 2) for code, count in sorted(requests.codes.items())},
        "retries": round(requests.retries / seconds, 2),
        "overflow": round(requests.overflow / seconds, 2),
        "timeouts": round(requests.timeouts / seconds, 2),
        "sent": round(requests.sent / seconds),
        "received": round(requests.received / seconds),
    }


def point(requests: Requests, seconds: float, *, is_tcp: bool = False) -> list[float | None]:
    """One point of the series of an edge: requests and errors per second, p50, p95, p99 in milliseconds.

    Of TCP, connections count as requests.
    """
    rates = ((requests.attempts if is_tcp else requests.total) / seconds, requests.errors / seconds)
    return [*(round(rate, 2) for rate in rates), *map(_rounded, requests.percentiles(*_PERCENTILES))]


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)


def shares(frames: Iterable[Frame], graph: Graph) -> Mapping[str, Json]:
    """The observed share of each edge of a weighted route, with its 95 % interval."""
    by_link: dict[tuple[str, str], list[Requests]] = {}
    for frame in frames:
        for key, requests in frame.links.items():
            by_link.setdefault(key, []).append(requests)
    counts = Counter({key: Requests.sum(of).chosen for key, of in by_link.items()})
    found: dict[str, Json] = {}
    for link in graph.links:
        weighted = link.weighted
        if weighted is None or len(link.targets) != 1:
            continue
        total = sum(counts[link.source, cluster] for cluster in weighted.clusters)
        count = counts[link.source, link.cluster]
        if total:
            low, high = wilson(count, total)
            found[edge_id(link.source, link.targets[0])] = {
                "percent": round(100 * count / total, 2),
                "low": round(low, 2),
                "high": round(high, 2),
                "count": count,
                "total": total,
            }
    return found
