"""What one proxy sees of the mesh: which hosts it can call, and what decides its routes to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from localmesh.catalog.services import Service
from localmesh.catalog.sidecars import Sidecar
from localmesh.catalog.virtual_services import VirtualService, exported


@dataclass(frozen=True, slots=True)
class SidecarScope:
    """A proxy's part of the mesh.

    `callable` are the Services that it may call by their names, `services` also those that only routes of
    VirtualServices lead to.
    """

    services: tuple[Service, ...]
    callable: tuple[Service, ...]
    virtual_services: tuple[VirtualService, ...]
    allows_unknown: bool = True


def view(
    services: Iterable[Service],
    virtual_services: Iterable[VirtualService],
    namespace: str,
    sidecar: Sidecar | None,
) -> SidecarScope:
    """What a proxy of a namespace sees; without a Sidecar that is everything that is exported to it."""
    seen = tuple(each for each in services if exported(each.export_to, each.namespace, namespace))
    routed = tuple(virtual_services)
    if sidecar is None:
        return SidecarScope(seen, seen, routed)
    imported = tuple(each for each in seen if sidecar.sees_service(each.host, each.namespace, namespace))
    routed = tuple(
        each for each in routed if sidecar.sees_virtual_service(each.hosts, each.namespace, namespace)
    )
    ports: dict[str, set[int | None]] = {each.host: {None} for each in imported}
    for virtual_service in routed:
        for host, port in _destinations(virtual_service):
            ports.setdefault(host, set()).add(port)
    reached = (_reached(each, ports[each.host]) for each in seen if each.host in ports)
    return SidecarScope(
        services=tuple(each for each in reached if each.ports),
        callable=imported,
        virtual_services=routed,
        allows_unknown=sidecar.allows_unknown,
    )


def _reached(service: Service, ports: set[int | None]) -> Service:
    """A Service with the ports that are reached; None among these means all."""
    if None in ports:
        return service
    return replace(service, ports=tuple(port for port in service.ports if port.number in ports))


def _destinations(virtual_service: VirtualService) -> Iterator[tuple[str, int | None]]:
    """Hosts that routes lead to, each with the port, where one is written."""
    for route in virtual_service.http:
        entries = (*(route.get("route") or ()), *(route.get("mirrors") or ()))
        destinations = [entry["destination"] for entry in entries]
        if "mirror" in route:
            destinations.append(route["mirror"])
        for destination in destinations:
            yield destination["host"], (destination.get("port") or {}).get("number")
