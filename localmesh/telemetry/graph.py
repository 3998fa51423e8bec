"""The graph of a mesh: who calls whom, by what is configured and by what has been seen. Pure functions.

Nodes are gateways, workloads and hosts outside the mesh; an edge leads from a caller to the workload behind
the clusters that it calls. Without traffic there are the edges that gateways have routes for, and those to
the URLs in the environment of containers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog import Catalog, GatewayWorkload, Proxy, Workload
from localmesh.explain import Explainer
from localmesh.explain.connections import tls_of
from localmesh.explain.explanation import Tls
from localmesh.explain.prepared import PreparedProxy, owner_of
from localmesh.explain.request import InvalidUrlError, Request, message_of
from localmesh.explain.route_actions import faults_of
from localmesh.explain.route_tables import conditions_text
from localmesh.telemetry.route_leads import Lead, leads_in, leads_of

Json = dict[str, Any]

CLIENTS = "clients"
"""The node of those who call gateways from outside."""
_URL = re.compile(r"https?://[^\s,;\"']+")


@dataclass(frozen=True, slots=True)
class Node:
    """A gateway, a workload, a host outside the mesh, or a subset without pods (`missing`)."""

    id: str
    kind: str
    name: str
    namespace: str = ""
    version: str = ""
    workload: str = ""
    mtls: str = ""
    """What its ports accept: PERMISSIVE, STRICT or DISABLE; "" without a sidecar."""
    policies: int = 0
    """How many AuthorizationPolicies apply to it."""

    def as_json(self) -> Json:
        """The node as a document."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Link:
    """A cluster that a caller uses, and the nodes behind it."""

    source: str
    cluster: str
    targets: tuple[str, ...]
    leads: tuple[Lead, ...]
    is_exclusive: bool
    """Whether no other route of the caller leads to a cluster of its weighted route."""
    ejects: bool
    """Whether outlier detection can eject its endpoints."""
    limits: bool
    """Whether a circuit breaker limits its connections or requests."""
    tls: Mapping[str, Tls]
    """How connections are secured, by target."""
    is_tcp: bool = False
    """Whether the port is not HTTP: connections are forwarded as they are."""

    @property
    def watches_endpoints(self) -> bool:
        """Whether the endpoints have to be asked for: what is behind it differs, or can be ejected."""
        return self.ejects or len(self.targets) > 1

    @property
    def weighted(self) -> Lead | None:
        """The weighted route that leads here, if there is one."""
        return next((lead for lead in self.leads if lead.is_weighted), None)

    @property
    def is_mirror(self) -> bool:
        """Whether only copies of requests are sent to it."""
        return bool(self.leads) and all(lead.is_mirror for lead in self.leads)


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and links; `sources` has the node of each proxy by namespace and name."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    sources: Mapping[tuple[str, str], str]

    def as_json(self) -> Json:
        """The graph as the page draws it: one edge for each pair of nodes."""
        edges: dict[str, Json] = {}
        for node in self.nodes:
            if node.kind == "gateway":
                edges[edge_id(CLIENTS, node.id)] = _edge(CLIENTS, node.id)
        for link in self.links:
            for target in link.targets:
                edge = edges.setdefault(edge_id(link.source, target), _edge(link.source, target))
                _add(edge, link, target)
        for name in self.tcp_edges:
            edges[name]["tcp"] = True
        return {
            "nodes": [node.as_json() for node in self.nodes],
            "edges": list(edges.values()),
            "paths": sorted(self._paths()),
        }

    @property
    def tcp_edges(self) -> frozenset[str]:
        """The edges with nothing but connections that are forwarded as they are."""
        ends: dict[bool, set[str]] = {True: set(), False: set()}
        for link in self.links:
            ends[link.is_tcp] |= {edge_id(link.source, target) for target in link.targets}
        return frozenset(ends[True] - ends[False])

    def _paths(self) -> set[str]:
        """The paths that gateways have routes for."""
        gateways = {node.id for node in self.nodes if node.kind == "gateway"}
        matches = [
            lead.route["match"] for link in self.links if link.source in gateways for lead in link.leads
        ]
        return {path for match in matches if (path := match.get("path") or match.get("prefix"))}


def edge_id(source: str, target: str) -> str:
    """The identity of the edge between two nodes."""
    return f"{source} > {target}"


def _edge(source: str, target: str) -> Json:
    return {
        "id": edge_id(source, target),
        "source": source,
        "target": target,
        "clusters": [],
        "tls": "",
        "expected": None,
        "mirror": None,
        "faults": [],
        "ejects": False,
        "limits": False,
        "tcp": False,
    }


def _add(edge: Json, link: Link, target: str) -> None:
    """What a link says about an edge that it is a part of."""
    edge["clusters"].append(link.cluster)
    tls = link.tls.get(target)
    edge["tls"] = tls.value if tls is not None else edge["tls"]
    edge["ejects"] |= link.ejects
    edge["limits"] |= link.limits
    weighted = link.weighted
    if weighted is not None and len(link.targets) == 1:
        edge["expected"] = {"percent": round(weighted.percent, 2), "exclusive": link.is_exclusive}
    mirrors = [lead.percent for lead in link.leads if lead.is_mirror]
    if mirrors:
        edge["mirror"] = {"percent": max(mirrors), "only": link.is_mirror}
    for lead in link.leads:
        for fault in faults_of(lead.route):
            conditions = conditions_text(lead.route["match"])
            told = {
                "percent": fault.percent,
                "delay": fault.delay,
                "status": fault.status,
                "when": conditions,
            }
            if told not in edge["faults"]:
                edge["faults"].append(told)


def graph_of(
    explainer: Explainer, workloads: Iterable[Workload], seen: Iterable[tuple[str, str]] = ()
) -> Graph:
    """The graph of the mesh of an explainer, with the links (node and cluster) that were `seen` in use."""
    return _Builder(explainer, tuple(workloads)).build(seen)


class _Builder:
    def __init__(self, explainer: Explainer, workloads: tuple[Workload, ...]) -> None:
        self._explainer = explainer
        self._catalog: Catalog = explainer.catalog
        self._workloads = workloads
        self._by_host = self._catalog.workloads_by_host()
        self._nodes: dict[str, Node] = {}
        self._proxies: dict[str, Proxy] = {}
        for proxy in explainer.proxies:
            self._proxies.setdefault(node_of(proxy), proxy)

    def build(self, seen: Iterable[tuple[str, str]]) -> Graph:
        for gateway in self._catalog.gateways:
            self._add_gateway(gateway)
        for workload in self._workloads:
            self._add_workload(workload)
        wanted: dict[tuple[str, str], None] = {}
        for source, proxy in self._proxies.items():
            prepared = self._explainer.prepared(proxy)
            for cluster in self._configured(prepared):
                wanted[source, cluster] = None
        wanted |= dict.fromkeys(link for link in seen if link[0] in self._proxies)
        links = [link for source, cluster in wanted if (link := self._link(source, cluster))]
        links += list(self._companions(links))
        sources = {(proxy.namespace, proxy.name): node_of(proxy) for proxy in self._explainer.proxies}
        if any(node.kind == "gateway" for node in self._nodes.values()):
            self._nodes[CLIENTS] = Node(CLIENTS, "clients", "clients")
        return Graph(tuple(self._nodes.values()), tuple(links), sources)

    def _add_gateway(self, gateway: GatewayWorkload) -> None:
        name = f"{gateway.namespace}/{gateway.name}"
        if name in self._proxies:
            self._nodes[name] = Node(name, "gateway", gateway.name, gateway.namespace, workload=gateway.name)

    def _add_workload(self, workload: Workload) -> None:
        name = f"{workload.namespace}/{workload.name}"
        proxy = self._proxies.get(name)
        mode, policies = "", 0
        if proxy is not None:
            port = proxy.inbound[0].container_port if proxy.inbound else 0
            mode = self._catalog.peer_authentications.mode(proxy.namespace, proxy.labels, port).value
            policies = len(self._catalog.policies_for(proxy))
        labels = workload.labels
        version = labels.get("app.kubernetes.io/version") or labels.get("version", "")
        shown = labels.get("app.kubernetes.io/name") or labels.get("app") or workload.name
        self._nodes[name] = Node(
            name, "workload", shown, workload.namespace, version, workload.name, mode, policies
        )

    def _configured(self, prepared: PreparedProxy) -> Iterator[str]:
        """The clusters that a proxy calls for certain: a gateway's routes, and URLs that a workload has."""
        if prepared.is_gateway:
            yield from leads_of(prepared)
            return
        proxy = prepared.proxy
        workload = self._workload(proxy.namespace, proxy.workload)
        for url in _urls(workload) if workload else ():
            yield from self._clusters_behind(prepared, url)

    def _clusters_behind(self, prepared: PreparedProxy, url: str) -> Iterator[str]:
        """The clusters to which the routes of a URL's host lead, whatever the rest of a request is."""
        try:
            message = message_of(Request.to(url), "")
        except InvalidUrlError:
            return
        table = prepared.route_table(str(message.port))
        virtual_host = table.virtual_host(message)[0] if table else None
        if virtual_host is None or virtual_host["domains"] == ["*"]:
            return
        for lead in leads_in(prepared, str(message.port)):
            if lead.virtual_host is virtual_host:
                yield lead.cluster

    def _link(self, source: str, cluster: str) -> Link | None:
        prepared = self._explainer.prepared(self._proxies[source])
        parts = cluster.split("|")
        if len(parts) != 4:
            return None
        leads = prepared.remembered(leads_of)
        upstream = prepared.upstreams.named(cluster)
        own = leads.get(cluster, ())
        weighted = next((lead for lead in own if lead.is_weighted), None)
        settings = upstream.cluster or {}
        tls = {
            f"{called.first.namespace}/{called.first.workload}": tls_of(called.socket)
            for called in upstream.called
        }
        targets = self._targets(source, *parts[1:])
        return Link(
            source,
            cluster,
            targets,
            own,
            weighted is None or _is_exclusive(weighted, leads),
            "outlierDetection" in settings,
            _limits(settings),
            tls,
            self._is_tcp(*parts[1:]),
        )

    def _is_tcp(self, port: str, _subset: str, host: str) -> bool:
        service = self._catalog.service(host)
        called = service.port(int(port)) if service is not None and port.isdecimal() else None
        return called is not None and not called.protocol.may_be_http

    def _targets(self, source: str, port: str, subset: str, host: str) -> tuple[str, ...]:
        """The nodes behind a host's subset; a node of its own if there are no workloads."""
        rule = self._catalog.rule_for(host, source.partition("/")[0])
        selected = rule.subset(subset) if rule is not None and subset else None
        found = [
            f"{workload.namespace}/{workload.name}"
            for workload in self._by_host.get(host, ())
            if selected is None or selected.selects(workload.labels)
        ]
        found = [name for name in found if name in self._nodes]
        if found and (selected is not None or not subset):
            return tuple(dict.fromkeys(found))
        service = self._catalog.service(host)
        is_external = service is not None and service.is_entry
        name = f"{host}:{port}" + (f" {subset}" if subset else "")
        kind = "external" if is_external or service is None else "missing"
        shown = host if kind == "external" else host.partition(".")[0]
        self._nodes.setdefault(name, Node(name, kind, shown, version=subset))
        return (name,)

    def _companions(self, links: list[Link]) -> Iterator[Link]:
        """The other clusters of weighted routes that were seen in use: their shares are 0 so far."""
        known = {(link.source, link.cluster) for link in links}
        for link in links:
            others = link.weighted.clusters if link.weighted else ()
            for cluster in others:
                if (link.source, cluster) not in known:
                    known.add((link.source, cluster))
                    companion = self._link(link.source, cluster)
                    if companion is not None:
                        yield companion

    def _workload(self, namespace: str, name: str) -> Workload | None:
        named = (namespace, name)
        return next((each for each in self._workloads if (each.namespace, each.name) == named), None)


def node_of(proxy: Proxy) -> str:
    """The node of a proxy's workload."""
    return f"{proxy.namespace}/{proxy.workload}"


def _urls(workload: Workload) -> Iterator[str]:
    for container in workload.containers:
        for variable in container.variables:
            yield from _URL.findall(variable.value)


def _is_exclusive(weighted: Lead, leads: Mapping[str, tuple[Lead, ...]]) -> bool:
    """Whether no other rule leads to its clusters; calls of a Service by its own name need no rule."""
    others = (lead for cluster in weighted.clusters for lead in leads.get(cluster, ()))
    return all(lead.route == weighted.route for lead in others if owner_of(lead.route))


def _limits(cluster: Mapping[str, Any]) -> bool:
    """Whether a circuit breaker has limits lower than Istio's default, which is none."""
    thresholds = (cluster.get("circuitBreakers") or {}).get("thresholds") or ()
    return any(
        each.get(name, _UNLIMITED) != _UNLIMITED
        for each in thresholds
        if each.get("priority", "DEFAULT") == "DEFAULT"
        for name in ("maxConnections", "maxPendingRequests", "maxRequests")
    )


_UNLIMITED = 4294967295
