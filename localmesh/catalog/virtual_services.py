"""VirtualServices with their names resolved and their delegates merged in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog.connection_routes import ConnectionRoute, Target
from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.delegates import HttpMatch, RouteBlock, merge_route
from localmesh.catalog.exports import EVERYWHERE, with_default_export
from localmesh.catalog.hosts import full_host
from localmesh.catalog.http_routes import HttpRoute, http_route
from localmesh.catalog.objects import Objects
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource
from localmesh.problems import FieldPath

MESH = "mesh"
_MAPS = ("headers", "withoutHeaders", "queryParams")
_PSEUDO = ("method", "authority", "scheme")
"""The conditions of a match beside its path that Envoy decides on."""
_DESTINATIONS = ("route", "mirror", "mirrors")
"""The fields of a route that hold destinations."""


@dataclass(frozen=True, slots=True)
class RouteDestination:
    """Where a route sends requests, or copies of them, and the field of the manifest that says so."""

    host: str
    port: int | None
    subset: str
    weight: int
    is_mirror: bool
    resource: Resource
    path: FieldPath


@dataclass(frozen=True, slots=True)
class RuleOrigin:
    """Where a rule is written: in the VirtualService itself, or in one to which its rule `root` delegates."""

    resource: Resource
    path: FieldPath
    root: FieldPath | None = None


@dataclass(frozen=True, slots=True)
class VirtualService:
    """A VirtualService: every host and gateway in it is fully qualified.

    `gateways` holds ``mesh`` (all sidecars) or ``namespace/name``; `http` are the routes in order,
    `destinations` those of each route.
    """

    namespace: str
    name: str
    hosts: tuple[str, ...]
    gateways: frozenset[str]
    http: tuple[HttpRoute, ...]
    export_to: tuple[str, ...]
    order: int
    resource: Resource = field(compare=False, repr=False)
    destination_hosts: tuple[str, ...] = ()
    depends_on_source_labels: bool = False
    """Whether a match looks at the labels of the caller."""
    connection_routes: tuple[ConnectionRoute, ...] = ()
    """The routes of `tls` and `tcp`, in this order."""
    connection_destinations: tuple[tuple[RouteDestination, ...], ...] = field(
        default=(), compare=False, repr=False
    )
    """Their destinations, as `destinations` has those of `http`."""
    # derived from `http`, apart from where it is written, which makes no difference to proxies
    destinations: tuple[tuple[RouteDestination, ...], ...] = field(default=(), compare=False, repr=False)
    origins: tuple[RuleOrigin, ...] = field(default=(), compare=False, repr=False)
    """Where each of `http` is written."""
    left_out: tuple[RuleOrigin, ...] = field(default=(), compare=False, repr=False)
    """The routes of delegates that are not in `http`, as their matches contradict the rule that delegates."""

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    def visible_from(self, namespace: str) -> bool:
        """Whether proxies of that namespace get this object (Istio, "Virtual Service", `exportTo`)."""
        return exported(self.export_to, self.namespace, namespace)

    @property
    def matches_segments(self) -> bool:
        """Whether prefixes are whole segments of a path: in Ingresses and routes of the Gateway API."""
        return self.is_of_gateway_api or self.resource.annotations.get(ROUTE_SEMANTICS) == "ingress"

    @property
    def is_of_gateway_api(self) -> bool:
        """Whether it is made of routes of the Gateway API, whose prefixes are whole segments of a path."""
        return SEMANTICS.items() <= self.resource.annotations.items()

    def routes_for(
        self, applies: Callable[[HttpMatch | None], bool]
    ) -> Iterator[tuple[int, HttpMatch | None]]:
        """The routes that a proxy has, one for each match that applies to it, with their indexes in `http`.

        Nothing follows a catch-all, as it would never be reached.
        """
        for index, route in enumerate(self.http):
            for match in route.matches or [None]:
                if applies(match):
                    yield index, match
                    if is_catch_all(match):
                        return


def is_catch_all(match: HttpMatch | None) -> bool:
    """Whether a match takes every request (istiod: route.go, `IsCatchAllRoute`)."""
    if match is None:
        return True
    has_conditions = any(match.get(name) for name in _MAPS) or any(name in match for name in _PSEUDO)
    return takes_every_path(match.get("uri")) and not has_conditions


def takes_every_path(uri: Mapping[str, str] | None) -> bool:
    """Whether the condition of a match on the path is always true."""
    return not uri or uri.get("prefix") == "/" or uri.get("regex") == ".*"


def exported(export_to: Sequence[str], owner: str, namespace: str) -> bool:
    """Whether `exportTo`, written in namespace `owner`, includes `namespace`; none written means all."""
    if not export_to:
        return True
    return any(entry in ("*", namespace) or (entry == "." and owner == namespace) for entry in export_to)


ROUTE_SEMANTICS = "internal.istio.io/route-semantics"
SEMANTICS = {ROUTE_SEMANTICS: "gateway"}
"""The annotation of VirtualServices that are made of routes of the Gateway API, as in istiod."""


def virtual_services(
    objects: Objects, conversions: ConversionCache, export_to: Sequence[str] = EVERYWHERE
) -> tuple[VirtualService, ...]:
    """The VirtualServices that own hosts, oldest first; delegates are merged into their roots.

    `export_to` is the mesh-wide default of `exportTo`.
    """
    found = (
        # what has delegates changes with them
        _virtual_service(root, objects, export_to)
        if _delegates(root)
        else conversions.of(root, _virtual_service)
        for root in objects.of(VIRTUAL_SERVICE)
        if root.spec.get("hosts")
    )
    return with_default_export(found, export_to)


def _delegates(resource: Resource) -> bool:
    return any(route.get("delegate") for route in resource.spec.get("http") or ())


def delegate_of(
    route: RouteBlock, namespace: str, objects: Objects, export_to: Sequence[str] = EVERYWHERE
) -> Resource | None:
    """The VirtualService that a route of that namespace delegates to.

    None if there is none with that name, if it has hosts itself, or if it is not exported to the namespace.
    Istio accepts a delegate without a name, which has no effect.
    """
    target = route["delegate"]
    owner = target.get("namespace") or namespace
    delegate = objects.named(VIRTUAL_SERVICE, owner, target.get("name", ""))
    if delegate is None or delegate.spec.get("hosts"):
        return None
    return delegate if exported(delegate.spec.get("exportTo") or export_to, owner, namespace) else None


def gateway_name(name: str, namespace: str) -> str:
    """A gateway as VirtualServices name it, fully qualified: ``mesh`` or ``namespace/name``.

    The form with dots is the oldest, from when gateways were named as Services are.

    >>> gateway_name("edge", "shop"), gateway_name("./edge", "shop"), gateway_name("edge.web.svc", "shop")
    ('shop/edge', 'shop/edge', 'web/edge')
    """
    if name == MESH:
        return name
    if "/" in name:
        owner, _, bare = name.partition("/")
        return f"{namespace}/{bare}" if owner == "." else name
    if "." in name:
        bare, owner = name.split(".")[:2]
        return f"{owner}/{bare}"
    return f"{namespace}/{name}"


def match_applies(
    match: HttpMatch | None, *, port: int, gateway: str, namespace: str, labels: Mapping[str, str]
) -> bool:
    """Whether a proxy has routes for a match; istiod decides that, Envoy never sees these conditions.

    `port` is the listener's, `gateway` the name that the proxy serves a VirtualService for, or `MESH`.
    """
    if match is None:
        return True
    if match.get("port", port) not in (0, port):
        return False
    if match.get("gateways"):
        return gateway in match["gateways"]
    if any(labels.get(key) != value for key, value in (match.get("sourceLabels") or {}).items()):
        return False
    return match.get("sourceNamespace", "") in ("", namespace)


def _virtual_service(
    resource: Resource, objects: Objects | None = None, export_to: Sequence[str] = EVERYWHERE
) -> VirtualService:
    namespace = resource.namespace
    spec = resource.spec
    routes = list(_routes(resource, objects, export_to))
    destinations = tuple(tuple(_destinations(route, origins)) for route, origins, _ in routes)
    connections = list(_connections(resource))
    of_connections = tuple(of_route for _, of_route in connections)
    return VirtualService(
        namespace=namespace,
        name=resource.name,
        hosts=tuple(full_host(host.lower(), namespace) for host in spec["hosts"]),
        gateways=frozenset(gateway_name(name, namespace) for name in spec.get("gateways") or [MESH]),
        http=tuple(http_route(route) for route, _, _ in routes),
        export_to=tuple(spec.get("exportTo") or ()),
        order=resource.order,
        destination_hosts=tuple(
            sorted(
                {
                    destination.host
                    for of_route in (*destinations, *of_connections)
                    for destination in of_route
                }
            )
        ),
        depends_on_source_labels=any(
            match.get("sourceLabels")
            for matches in (
                *(route.get("match") or () for route, _, _ in routes),
                *(route.matches for route, _ in connections),
            )
            for match in matches
        ),
        destinations=destinations,
        connection_routes=tuple(route for route, _ in connections),
        connection_destinations=of_connections,
        origins=tuple(origin for _, _, origin in routes),
        left_out=tuple(_left_out(resource, objects, export_to)) if objects else (),
        resource=resource,
    )


_Origin = tuple[Resource, FieldPath]
"""The route of a manifest that a field of a merged route is from."""


def _left_out(resource: Resource, objects: Objects, export_to: Sequence[str]) -> Iterator[RuleOrigin]:
    for route, (_, root) in _written_routes(resource):
        delegate = route.get("delegate") and delegate_of(route, resource.namespace, objects, export_to)
        for below, origin in _written_routes(delegate) if delegate else ():
            if merge_route(route, below) is None:
                yield RuleOrigin(*origin, root=root)


def _routes(
    resource: Resource, objects: Objects | None, export_to: Sequence[str]
) -> Iterator[tuple[RouteBlock, Mapping[str, _Origin], RuleOrigin]]:
    """The routes of a root, each with the origins of the fields that hold its destinations, and its own."""
    for route, origin in _written_routes(resource):
        delegate = None
        if objects and route.get("delegate"):
            delegate = delegate_of(route, resource.namespace, objects, export_to)
        if not route.get("delegate"):
            yield route, dict.fromkeys(_DESTINATIONS, origin), RuleOrigin(*resource.origin(origin[1]))
        elif delegate:
            for below, origin_below in _written_routes(delegate):
                merged = merge_route(route, below)
                if merged is not None:
                    yield (
                        merged,
                        {name: origin_below if name in below else origin for name in _DESTINATIONS},
                        RuleOrigin(*origin_below, root=origin[1]),
                    )


def _written_routes(resource: Resource) -> Iterator[tuple[RouteBlock, _Origin]]:
    for index, route in enumerate(resource.spec.get("http") or ()):
        yield _resolved(route, resource.namespace), (resource, FieldPath("spec", "http", index))


def _connections(resource: Resource) -> Iterator[tuple[ConnectionRoute, tuple[RouteDestination, ...]]]:
    """The routes of connections with their destinations."""
    for kind in ("tls", "tcp"):
        for index, written in enumerate(resource.spec.get(kind) or ()):
            origin = resource, FieldPath("spec", kind, index)
            route = _resolved(written, resource.namespace)
            found = tuple(_destinations(route, dict.fromkeys(_DESTINATIONS, origin)))
            targets = tuple(Target(entry.host, entry.port, entry.subset, entry.weight) for entry in found)
            owner = f"{resource.name}.{resource.namespace}"
            yield ConnectionRoute(kind, tuple(route.get("match") or ()), targets, owner, index), found


def _destinations(route: RouteBlock, origins: Mapping[str, _Origin]) -> Iterator[RouteDestination]:
    for name in ("route", "mirrors"):
        resource, path = origins[name]
        for index, entry in enumerate(route.get(name) or ()):
            where = path / name / index / "destination"
            weight = entry.get("weight", 0)
            yield _destination(entry["destination"], weight, name == "mirrors", resource, where)
    if "mirror" in route:
        resource, path = origins["mirror"]
        yield _destination(route["mirror"], 0, True, resource, path / "mirror")


def _destination(
    written: Mapping[str, Any], weight: int, is_mirror: bool, resource: Resource, path: FieldPath
) -> RouteDestination:
    source, where = resource.origin(path)
    return RouteDestination(
        host=written["host"],
        port=(written.get("port") or {}).get("number"),
        subset=written.get("subset", ""),
        weight=weight,
        is_mirror=is_mirror,
        resource=source,
        path=where,
    )


def _resolved(route: RouteBlock, namespace: str) -> RouteBlock:
    changed: dict[str, Any] = {}
    for name in ("route", "mirrors"):
        if name in route:
            changed[name] = [_with_host(entry, namespace) for entry in route[name]]
    if "mirror" in route:
        changed["mirror"] = {**route["mirror"], "host": full_host(route["mirror"]["host"], namespace)}
    if "match" in route:
        changed["match"] = [_with_gateways(match, namespace) for match in route["match"]]
    return {**route, **changed}


def _with_host(entry: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    destination = entry["destination"]
    host = destination["host"] and full_host(destination["host"], namespace)
    return {**entry, "destination": {**destination, "host": host}}


def _with_gateways(match: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    if not match.get("gateways"):
        return match
    return {**match, "gateways": [gateway_name(name, namespace) for name in match["gateways"]]}
