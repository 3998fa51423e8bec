"""Routes to clusters that do not exist: the host, port or subset is missing for at least one caller.

(istio: pkg/config/analysis/analyzers/virtualservice)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from localmesh.analysis.callers import AllCallers, Callers, Listener
from localmesh.analysis.host_hints import HostHints
from localmesh.catalog import (
    MESH,
    Catalog,
    DestinationRule,
    Protocol,
    RouteDestination,
    Service,
)
from localmesh.catalog.connection_routes import ConnectionRoute
from localmesh.catalog.hosts import overlap
from localmesh.kinds.gateway_api import GROUP
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed


def destinations(catalog: Catalog) -> Iterator[Problem]:
    """All destinations and mirrors of all HTTP routes, and those of connections at gateways."""
    callers, reports = AllCallers(catalog), _Reports(catalog)
    for virtual_service in catalog.virtual_services:
        listeners = callers.listeners(virtual_service)
        having: dict[int, list[Listener]] = {}
        for listener in listeners:
            for index in {index for index, _ in virtual_service.routes_for(listener.applies)}:
                having.setdefault(index, []).append(listener)
        for index, of_route in enumerate(virtual_service.destinations):
            for destination in of_route:
                reports.add(destination, of_route, having.get(index) or [callers.unknown(virtual_service)])
        of_connections = zip(
            virtual_service.connection_routes, virtual_service.connection_destinations, strict=True
        )
        for route, of_route in of_connections:
            routing = [listener for listener in listeners if _routes_connections(listener, route)]
            for destination in of_route:
                reports.add(destination, of_route, routing)
    yield from reports.problems()


def _routes_connections(listener: Listener, route: ConnectionRoute) -> bool:
    """Whether a listener, of a gateway, has a route for connections."""
    if listener.gateway == MESH or listener.port is None:
        return False
    return any(True for _ in route.matching(listener.port, listener.gateway))


@dataclass(slots=True)
class _Report:
    """Everything that is missing for one destination, and for whom.

    A destination of a delegate belongs to the routes of all roots that delegate to it.
    """

    destination: RouteDestination
    siblings: tuple[RouteDestination, ...]
    listeners: list[Listener] = field(default_factory=list)
    without_service: list[Callers] = field(default_factory=list)
    without_port: dict[int, list[Callers]] = field(default_factory=dict)
    without_subset: list[Callers] = field(default_factory=list)


class _Reports:
    """Looks every destination up as the translation does, and reports each field once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._hints = HostHints(catalog)
        self._reports: dict[tuple[object, ...], _Report] = {}

    def add(
        self,
        destination: RouteDestination,
        siblings: tuple[RouteDestination, ...],
        listeners: Iterable[Listener],
    ) -> None:
        """Looks a destination up for all listeners that have its route."""
        key = (destination.resource.place, destination.path)
        report = self._reports.get(key)
        if report is None:
            report = self._reports[key] = _Report(destination, siblings)
        for listener in listeners:
            report.listeners.append(listener)
            self._look_up(report, listener)

    def _look_up(self, report: _Report, listener: Listener) -> None:
        destination, callers = report.destination, listener.callers
        if not destination.host:
            return  # a backend that must not be used, of which the status of its route says why
        service = callers.scope.service(self._catalog.destinations.resolved(destination.host))
        if service is None:
            report.without_service.append(callers)
            return
        port = self._port(destination, listener)
        if port is not None and port not in _ports(service):
            report.without_port.setdefault(port, []).append(callers)
        if destination.subset:
            rule = self._catalog.rule_for(destination.host, callers.namespace)
            if rule is None or rule.subset(destination.subset) is None:
                report.without_subset.append(callers)

    def _port(self, destination: RouteDestination, listener: Listener) -> int | None:
        if listener.port is None:
            return destination.port
        return self._catalog.destinations.port_of(
            destination.host, destination.port, listener_port=listener.port, gateway=listener.gateway
        )

    def problems(self) -> Iterator[Problem]:
        """The problems of all destinations that were added."""
        for report in self._reports.values():
            if report.without_service:
                yield self._missing_host(report)
            if report.without_port:
                yield self._missing_port(report)
            if report.without_subset:
                yield self._missing_subset(report)

    def _missing_host(self, report: _Report) -> Problem:
        host = report.destination.host
        service = self._catalog.service(host)
        if service is not None:
            where = _namespaces(report.without_service)
            reason = f"is not exported to {where} by {service.subject}"
            remedy = f"export {service.subject} to {where} as well"
        else:
            hint, remedy = self._hints.hint(host)
            reason = f"is not a Service: there is no {host}{hint}"
        return self._field(report, "host").problem(
            warnings.MISSING_HOST,
            reason=reason,
            remedy=remedy,
            effect=_effect(report, report.without_service),
        )

    def _missing_port(self, report: _Report) -> Problem:
        service = self._catalog.service(report.destination.host)
        ports = _ports(service) if service else []
        values = {
            "service": service.subject if service else report.destination.host,
            "known": listed(map(str, ports)),
            "effect": _effect(report, [c for callers in report.without_port.values() for c in callers]),
        }
        if report.destination.port is not None:
            return self._field(report, "port", "number").problem(warnings.MISSING_PORT, **values)
        incoming = listed(map(str, sorted(report.without_port)))
        plural = "ports" if len(ports) > 1 else "port"
        return self._field(report).problem(
            warnings.PORT_NOT_CHOSEN, incoming=incoming, plural=plural, **values
        )

    def _missing_subset(self, report: _Report) -> Problem:
        destination = report.destination
        known, remedy = self._why_not(destination, report.without_subset)
        service = self._catalog.service(destination.host)
        return self._field(report, "subset").problem(
            warnings.MISSING_SUBSET,
            host=service.subject if service else destination.host,
            known=known,
            remedy=remedy,
            effect=_effect(report, report.without_subset),
        )

    def _why_not(self, destination: RouteDestination, callers: list[Callers]) -> tuple[str, str]:
        """Why callers have no such subset, and what to do about it."""
        host, where = destination.host, _namespaces(callers)
        used = {rule for caller in callers if (rule := self._catalog.rule_for(host, caller.namespace))}
        subsets = {_subject(rule): [subset.name for subset in rule.subsets] for rule in used}
        known = [f"{subject} has {listed(names)}" for subject, names in sorted(subsets.items())]
        unused = [
            _subject(rule)
            for rule in self._catalog.destinations.rules
            if overlap(rule.host, host) and rule.subset(destination.subset)
        ]
        if unused:
            known.append(f"{unused[0]}, which has it, is not used in {where}")
        if used:
            names = sorted({name for of_rule in subsets.values() for name in of_rule})
            return listed(known), "add the subset there" + (
                f", or route to {listed(names, 'or')}" if names else ""
            )
        if unused:
            return listed(known), f"export that DestinationRule to {where}, or define one there"
        return "there is no DestinationRule for it", f"define a DestinationRule for {host} with this subset"

    def _field(self, report: _Report, *keys: str) -> Field:
        destination = report.destination
        if _is_backend(destination):
            keys = _OF_BACKENDS.get(keys, keys)
        return destination.resource.root.at(destination.path).get(*keys)


_OF_BACKENDS = {("host",): ("name",), ("port", "number"): ("port",)}
"""The fields of a destination as `backendRefs` of the Gateway API have them."""


def _is_backend(destination: RouteDestination) -> bool:
    """Whether a destination is written in a route of the Gateway API."""
    return destination.resource.group == GROUP


def _effect(report: _Report, concerned: list[Callers]) -> str:
    """What requests to a missing destination get, and whose requests these are."""
    all_callers = {id(listener.callers) for listener in report.listeners}
    partly = all_callers - {id(callers) for callers in concerned}
    who = _who(concerned) if partly else "callers"
    destination = report.destination
    if destination.is_mirror:
        return "no copies are sent" + (f" for {who}" if partly else "")
    weights = [sibling.weight for sibling in report.siblings if not sibling.is_mirror]
    status = 500 if _is_backend(destination) else 503
    if len(weights) < 2 or not sum(weights):
        return f"{who} get {status}"
    if not destination.weight:
        return f"{who} get {status} as soon as its weight is not 0"
    return f"{who} get {status} for {100 * destination.weight / sum(weights):.3g} % of their requests"


def _who(concerned: Iterable[Callers]) -> str:
    """The callers, by their namespaces, and the gateways."""
    concerned = list(concerned)
    sidecars = [callers for callers in concerned if not callers.gateway]
    gateways = sorted({callers.gateway for callers in concerned if callers.gateway})
    who = [f"in {_namespaces(sidecars)}"] if sidecars else []
    return f"callers {listed([*who, *(f'of the gateway {gateway}' for gateway in gateways)])}"


def _namespaces(callers: Iterable[Callers]) -> str:
    names = sorted({caller.namespace for caller in callers})
    return f"{'namespace' if len(names) == 1 else 'namespaces'} {listed(names)}"


def _ports(service: Service) -> list[int]:
    """The ports that there are clusters for."""
    return [port.number for port in service.ports if port.protocol is not Protocol.UDP]


def _subject(rule: DestinationRule) -> str:
    return f"DestinationRule {rule.namespace}/{rule.name}"
