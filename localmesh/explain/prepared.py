"""A proxy with its configuration, indexed so that a request is answered in microseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from localmesh.catalog import MESH, Catalog, Pod, Proxy, ProxyKind, VirtualService
from localmesh.catalog.virtual_services import RuleOrigin
from localmesh.explain.explanation import Reference, Routing, Rule
from localmesh.explain.route_tables import RouteTable
from localmesh.explain.settings import settings_of
from localmesh.explain.upstreams import Upstreams
from localmesh.problems import FieldPath
from localmesh.translate import ProxyConfig
from localmesh.translate.formats import object_of_config
from localmesh.translate.gateway_routes import server_context
from localmesh.translate.keys import Source
from localmesh.translate.routes import RouteContext, VirtualServiceRoutes

Json = Mapping[str, Any]

Part = TypeVar("Part")
Made = TypeVar("Made")


class Tables:
    """What was made of parts of configurations, which are the same objects for proxies that share them."""

    def __init__(self) -> None:
        self._by_id: dict[int, tuple[object, Any]] = {}  # with the part, so that its id stays its own

    def of(self, part: Part, make: Callable[[Part], Made]) -> Made:
        """What was made of a part before, else `make(part)`."""
        kept = self._by_id.get(id(part))
        if kept is None:
            kept = self._by_id[id(part)] = part, make(part)
        made: Made = kept[1]
        return made


class PreparedProxy:
    """One proxy: its route tables, clusters, endpoints and policies by name, each indexed once."""

    def __init__(
        self,
        catalog: Catalog,
        proxy: Proxy,
        config: ProxyConfig,
        tables: Tables,
        pods: Mapping[tuple[str, int], Pod],
    ) -> None:
        self.catalog = catalog
        self.proxy = proxy
        self.config = config
        self.tables = tables
        self._pods = pods
        self._rules: dict[tuple[str, int], Mapping[int, Rule]] = {}
        self._remembered: dict[object, Any] = {}

    def remembered(self, derive: Callable[[PreparedProxy], Made]) -> Made:
        """What a function derives from this proxy, which never changes; computed once."""
        if derive not in self._remembered:
            self._remembered[derive] = derive(self)
        made: Made = self._remembered[derive]
        return made

    @property
    def is_gateway(self) -> bool:
        """Whether it is a gateway's."""
        return self.proxy.kind is ProxyKind.GATEWAY

    def route_table(self, name: str) -> RouteTable | None:
        """The route configuration of that name, None if there is none."""
        configuration = self._routes.get(name)
        return self.tables.of(configuration, RouteTable) if configuration is not None else None

    def outbound_table(self, port: int) -> str:
        """The name of the route configuration for requests of the pod to a port, also if there is none."""
        return self._outbound_tables.get(str(port), str(port))

    @cached_property
    def _outbound_tables(self) -> Mapping[str, str]:
        return {scope["name"]: scope["routeConfigurationName"] for scope in self.config.scopes}

    @cached_property
    def _routes(self) -> Mapping[str, Json]:
        return {routes["name"]: routes for routes in self.config.routes}

    @cached_property
    def upstreams(self) -> Upstreams:
        """The clusters."""
        config, proxy = self.config, self.proxy
        upstreams: Upstreams = self.tables.of(
            config.clusters,
            lambda clusters: Upstreams(
                clusters,
                config.endpoints,
                self._pods,
                lambda cluster: settings_of(self.catalog, proxy, cluster),
            ),
        )
        return upstreams

    @cached_property
    def listeners(self) -> Mapping[str, Json]:
        """The listeners by name."""
        return {listener["name"]: listener for listener in self.config.listeners}

    @cached_property
    def policies(self) -> Mapping[str, Json]:
        """What fills the slots of the listeners, by slot; the empty ones are left out."""
        return {
            policy["name"]: policy["typedConfig"]
            for policy in self.config.policies
            if set(policy["typedConfig"]) != {"@type"}
        }

    def rule(self, table: RouteTable, virtual_host: Json, route: Json) -> Rule:
        """The rule of a manifest that a route was made from."""
        key = table.name, id(virtual_host)
        if key not in self._rules:
            self._rules[key] = dict(self._rules_of(table, virtual_host))
        return self._rules[key].get(id(route)) or Rule(route.get("name", ""), match=route["match"])

    def _rules_of(self, table: RouteTable, virtual_host: Json) -> Iterator[tuple[int, Rule]]:
        """The rules of all routes of a virtual host: those of one VirtualService are in its order."""
        by_owner: dict[str, list[Json]] = {}
        for route in virtual_host["routes"]:
            by_owner.setdefault(owner_of(route), []).append(route)
        for owner, routes in by_owner.items():
            virtual_service = self._virtual_services.get(owner)
            if virtual_service is not None:
                yield from self._rules_of_one(virtual_service, table.name, routes)

    def _rules_of_one(
        self, virtual_service: VirtualService, table: str, routes: list[Json]
    ) -> Iterator[tuple[int, Rule]]:
        destinations = self.catalog.destinations
        written = [
            (made, place)
            for context in self.contexts(virtual_service, table)
            for made, place in zip(
                VirtualServiceRoutes.of(virtual_service, context, destinations).build().routes,
                virtual_service.routes_for(context.applies),
                strict=True,
            )
        ]
        for route in routes:
            place = next((place for made, place in written if made == route), None)
            if place is not None:
                yield id(route), rule_of(virtual_service, *place, route)

    def virtual_services_of(self, routing: Routing) -> list[VirtualService]:
        """The VirtualServices whose rules a routing has looked at."""
        rules = [skipped.rule for skipped in routing.skipped] + [rule for rule in [routing.rule] if rule]
        owners = dict.fromkeys(rule.virtual_service for rule in rules)
        return [self._virtual_services[owner] for owner in owners if owner in self._virtual_services]

    def contexts(self, virtual_service: VirtualService, table: str) -> Iterator[RouteContext]:
        """For what a VirtualService is translated in a route configuration: port, gateway and caller."""
        source = Source.of(self.catalog, self.proxy)
        if not self.is_gateway:
            yield RouteContext(source, int(table.rpartition("|")[2]), MESH)
            return
        gateway = self.catalog.gateway(self.proxy.namespace, self.proxy.workload)
        for server in gateway.servers if gateway else ():
            if server.route_name == table and server.gateway in virtual_service.gateways:
                yield server_context(source, server)

    @cached_property
    def _virtual_services(self) -> Mapping[str, VirtualService]:
        return {f"{vs.namespace}/{vs.name}": vs for vs in self.catalog.virtual_services}


def rule_of(virtual_service: VirtualService, index: int, match: Any, route: Json) -> Rule:
    """The rule of a VirtualService that a route was made from: a place in `http`, and one of its matches."""
    matches = virtual_service.http[index].matches
    match_index = next((i for i, other in enumerate(matches) if other is match), None)
    origin = virtual_service.origins[index]
    path = origin.path
    if match_index is not None and virtual_service.matches_segments:
        _, path = virtual_service.resource.origin(FieldPath("spec", "http", index, "match", match_index))
    elif match_index is not None and origin.root is None:
        path = path / "match" / match_index
    return Rule(
        name=route.get("name", ""),
        virtual_service=f"{virtual_service.namespace}/{virtual_service.name}",
        index=index,
        match_index=match_index,
        match=route["match"],
        reference=Reference(origin.resource, path),
        fields=dict(_fields(virtual_service, origin)),
    )


def _fields(virtual_service: VirtualService, origin: RuleOrigin) -> Iterator[tuple[str, Reference]]:
    """The fields of a rule, and those that a delegate's inherits from its root."""
    if origin.root is not None:
        for field, _ in virtual_service.resource.root.at(origin.root).entries():
            yield field, Reference(virtual_service.resource, origin.root / field)
    for field, _ in origin.resource.root.at(origin.path).entries():
        yield field, Reference(origin.resource, origin.path / field)


def owner_of(route: Json) -> str:
    """The VirtualService that a route was made from, as `namespace/name`; "" for any other."""
    metadata = route.get("metadata", {}).get("filterMetadata", {}).get("istio", {})
    return object_of_config(metadata.get("config", ""))
