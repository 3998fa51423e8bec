"""What one proxy sees of the mesh: which hosts it can call, and what decides its routes to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from localmesh.catalog.services import Service
from localmesh.catalog.sidecars import Sidecar
from localmesh.catalog.virtual_services import VirtualService, exported


@dataclass(frozen=True, slots=True)
class View:
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
) -> View:
    """What a proxy of a namespace sees; without a Sidecar that is everything that is exported to it."""
    seen = tuple(each for each in services if exported(each.export_to, each.namespace, namespace))
    routed = tuple(virtual_services)
    if sidecar is None:
        return View(seen, seen, routed)
    imported = tuple(each for each in seen if sidecar.sees_service(each.host, each.namespace, namespace))
    routed = tuple(
        each for each in routed if sidecar.sees_virtual_service(each.hosts, each.namespace, namespace)
    )
    hosts = {each.host for each in imported} | {host for vs in routed for host in vs.destinations}
    return View(
        services=tuple(each for each in seen if each.host in hosts),
        callable=imported,
        virtual_services=routed,
        allows_unknown=sidecar.allows_unknown,
    )
