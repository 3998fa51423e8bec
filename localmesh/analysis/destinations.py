"""Where routes lead: to Services, ports and subsets that exist (istio: analyzers/virtualservice)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.hints import host_hint
from localmesh.analysis.world import Service, World
from localmesh.formats.hostnames import full_host
from localmesh.manifests.resources import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed


def destinations(world: World) -> Iterator[Problem]:
    """All destinations and mirrors of all HTTP routes."""
    for resource in world.all("VirtualService"):
        incoming = incoming_ports(world, resource)
        for route in resource.root.get("spec", "http").items():
            for destination in _destinations(route):
                yield from _destination(world, resource, destination, incoming)


def _destinations(route: Field) -> Iterator[Field]:
    for entry in route.get("route").items():
        yield entry.get("destination")
    if route.get("mirror"):
        yield route.get("mirror")
    for mirror in route.get("mirrors").items():
        yield mirror.get("destination")


def _destination(
    world: World, resource: Resource, destination: Field, incoming: frozenset[int]
) -> Iterator[Problem]:
    host = destination.get("host")
    name = full_host(host.text or "", resource.namespace)
    service = world.services.get(name)
    if service is None and world.is_outside(name):
        return
    if service is None:
        hint, remedy = host_hint(world, name)
        yield host.problem(warnings.MISSING_HOST, name=name, hint=hint, remedy=remedy)
    else:
        yield from _port(destination, service, incoming)
        if destination.get("subset").text:
            yield from _subset(world, destination.get("subset"), service)


def _port(destination: Field, service: Service, incoming: frozenset[int]) -> Iterator[Problem]:
    number = destination.get("port", "number")
    known = listed(map(str, service.ports))
    if number.integer is not None:
        if number.integer not in service.ports:
            yield number.problem(warnings.MISSING_PORT, service=service.subject, known=known)
    elif len(service.ports) > 1 and incoming - set(service.ports):
        yield destination.problem(
            warnings.PORT_NOT_CHOSEN,
            service=service.subject,
            known=known,
            incoming=listed(map(str, sorted(incoming))),
        )


def _subset(world: World, subset: Field, service: Service) -> Iterator[Problem]:
    rules = world.rules_for(service.host)
    names = [
        entry.get("name").text or "" for rule in rules for entry in rule.root.get("spec", "subsets").items()
    ]
    if subset.text in names:
        return
    if not rules:
        known = "there is no DestinationRule for it"
        remedy = f"define a DestinationRule for {service.host} with this subset"
    else:
        owners = listed(rule.place.subject for rule in rules)
        known = f"{owners} has {listed(names)}"
        remedy = "add the subset there" + (f", or route to {listed(names, 'or')}" if names else "")
    yield subset.problem(warnings.MISSING_SUBSET, host=service.subject, known=known, remedy=remedy)


def incoming_ports(world: World, resource: Resource) -> frozenset[int]:
    """The ports on which requests reach a VirtualService, as far as its hosts and gateways tell."""
    ports: set[int] = set()
    gateways = [name.text or "" for name in resource.root.get("spec", "gateways").items()]
    for name in gateways:
        namespace, _, bare = name.rpartition("/")
        gateway = world.named.get(("Gateway", namespace or resource.namespace, bare))
        if gateway is not None:
            servers = gateway.root.get("spec", "servers").items()
            ports.update(server.get("port", "number").integer or 0 for server in servers)
    if not gateways or "mesh" in gateways:
        for host in resource.root.get("spec", "hosts").items():
            for service in world.services_at(full_host(host.text or "", resource.namespace)):
                ports.update(service.ports)
    return frozenset(ports)
