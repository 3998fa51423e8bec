"""VirtualServices with their names resolved and their delegates merged in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.delegates import HttpRoute, merge_routes
from localmesh.catalog.hosts import resolve
from localmesh.manifests import Resource

MESH = "mesh"


@dataclass(frozen=True, slots=True)
class VirtualService:
    """A VirtualService: every host and gateway in it is fully qualified.

    `gateways` holds ``mesh`` (all sidecars) or ``namespace/name``; `http` are the routes in order;
    `destinations` the hosts that these lead to, mirrors included.
    """

    namespace: str
    name: str
    hosts: tuple[str, ...]
    gateways: frozenset[str]
    http: tuple[HttpRoute, ...]
    export_to: tuple[str, ...]
    order: int
    destinations: tuple[str, ...] = ()
    depends_on_source_labels: bool = False
    """Whether a match looks at the labels of the caller."""

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    def visible_from(self, namespace: str) -> bool:
        """Whether proxies of that namespace get this object (Istio, "Virtual Service", `exportTo`)."""
        return exported(self.export_to, self.namespace, namespace)


def exported(export_to: Sequence[str], owner: str, namespace: str) -> bool:
    """Whether `exportTo`, written in namespace `owner`, includes `namespace`; none written means all."""
    if not export_to:
        return True
    return any(entry in ("*", namespace) or (entry == "." and owner == namespace) for entry in export_to)


def virtual_services(
    resources: Iterable[Resource], conversions: ConversionCache
) -> tuple[VirtualService, ...]:
    """The VirtualServices that own hosts, oldest first; delegates are merged into their roots."""
    found = sorted(
        (resource for resource in resources if resource.kind == "VirtualService"),
        key=lambda resource: resource.order,
    )
    delegates = {(vs.namespace, vs.name): vs for vs in found if not vs.spec.get("hosts")}
    return tuple(
        # what has delegates changes with them
        _virtual_service(vs, delegates) if _delegates(vs) else conversions.of(vs, _virtual_service)
        for vs in found
        if vs.spec.get("hosts")
    )


def _delegates(resource: Resource) -> bool:
    return any(route.get("delegate") for route in resource.spec.get("http") or ())


def _virtual_service(
    resource: Resource, delegates: Mapping[tuple[str, str], Resource] | None = None
) -> VirtualService:
    namespace = resource.namespace
    spec = resource.spec
    routes = tuple(_routes(spec.get("http") or (), namespace, delegates or {}))
    return VirtualService(
        namespace=namespace,
        name=resource.name,
        hosts=tuple(resolve(host, namespace) for host in spec["hosts"]),
        gateways=frozenset(gateway_name(name, namespace) for name in spec.get("gateways") or [MESH]),
        http=routes,
        export_to=tuple(spec.get("exportTo") or ()),
        order=resource.order,
        destinations=tuple(sorted({host for route in routes for host in _destinations(route)})),
        depends_on_source_labels=any(
            match.get("sourceLabels") for route in routes for match in route.get("match") or ()
        ),
    )


def _destinations(route: HttpRoute) -> Iterator[str]:
    for entry in (*(route.get("route") or ()), *(route.get("mirrors") or ())):
        yield entry["destination"]["host"]
    if "mirror" in route:
        yield route["mirror"]["host"]


def gateway_name(name: str, namespace: str) -> str:
    """A gateway as VirtualServices name it, fully qualified: ``mesh`` or ``namespace/name``.

    The older forms ``name.namespace`` and ``name.namespace.svc.cluster.local`` still mean the same.

    >>> gateway_name("edge.shop.svc.cluster.local", "office"), gateway_name("./edge", "office")
    ('shop/edge', 'office/edge')
    """
    if name == MESH:
        return name
    owner, slash, bare = name.rpartition("/")
    if not slash:
        bare, _, owner = name.partition(".")
        owner = owner.partition(".")[0]
    return f"{namespace if owner in ('', '.') else owner}/{bare}"


def _routes(
    routes: Sequence[HttpRoute], namespace: str, delegates: Mapping[tuple[str, str], Resource]
) -> Iterable[HttpRoute]:
    for route in routes:
        target = route.get("delegate")
        if not target:
            yield _resolved(route, namespace)
            continue
        # Istio accepts a delegate without a name; it leads nowhere, as one that does not exist
        delegate = delegates.get((target.get("namespace") or namespace, target.get("name", "")))
        if delegate is None or not exported(
            tuple(delegate.spec.get("exportTo") or ()), delegate.namespace, namespace
        ):
            continue
        own = [_resolved(below, delegate.namespace) for below in delegate.spec.get("http") or ()]
        yield from merge_routes(_resolved(route, namespace), own)


def _resolved(route: HttpRoute, namespace: str) -> HttpRoute:
    changed: dict[str, Any] = {}
    for field in ("route", "mirrors"):
        if field in route:
            changed[field] = [_with_host(entry, namespace) for entry in route[field]]
    if "mirror" in route:
        changed["mirror"] = {**route["mirror"], "host": resolve(route["mirror"]["host"], namespace)}
    if "match" in route:
        changed["match"] = [_with_gateways(match, namespace) for match in route["match"]]
    return {**route, **changed}


def _with_host(entry: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    destination = entry["destination"]
    return {**entry, "destination": {**destination, "host": resolve(destination["host"], namespace)}}


def _with_gateways(match: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    if not match.get("gateways"):
        return match
    return {**match, "gateways": [gateway_name(name, namespace) for name in match["gateways"]]}
