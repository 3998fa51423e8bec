"""The Gateways that VirtualServices name (istio: analyzers/gateway, analyzers/virtualservice)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.world import World
from localmesh.formats.hostnames import overlap
from localmesh.manifests.resources import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed


def gateways(world: World) -> Iterator[Problem]:
    """All gateways named by VirtualServices and their matches."""
    for resource in world.all("VirtualService"):
        spec = resource.root.get("spec")
        for name in spec.get("gateways").items():
            gateway = _gateway(world, name, resource)
            yield from _hosts(resource, gateway) if gateway else _missing(world, name, resource)
        for route in spec.get("http").items():
            for match in route.get("match").items():
                for name in match.get("gateways").items():
                    if _gateway(world, name, resource) is None:
                        yield from _missing(world, name, resource)


def _full_name(name: Field, resource: Resource) -> tuple[str, str]:
    namespace, _, bare = (name.text or "").rpartition("/")
    if not namespace and "." in bare:  # the form of old: name.namespace.svc.cluster.local
        bare, namespace = bare.split(".")[:2]
    return namespace or resource.namespace, bare


def _gateway(world: World, name: Field, resource: Resource) -> Resource | None:
    return world.named.get(("Gateway", *_full_name(name, resource)))


def _missing(world: World, name: Field, resource: Resource) -> Iterator[Problem]:
    if name.text == "mesh":
        return
    namespace, bare = _full_name(name, resource)
    elsewhere = [gateway for gateway in world.all("Gateway") if gateway.name == bare]
    hint, remedy = "", "define it, or correct the name"
    if elsewhere:
        hint = f"; there is {elsewhere[0].place.subject}"
        remedy = f"write {elsewhere[0].namespace}/{bare}"
    elif world.all("Gateway"):
        hint = f"; there is {listed(gateway.place.subject for gateway in world.all('Gateway'))}"
    yield name.problem(warnings.MISSING_GATEWAY, name=f"Gateway {namespace}/{bare}", hint=hint, remedy=remedy)


def _hosts(resource: Resource, gateway: Resource) -> Iterator[Problem]:
    served = [
        host.text or ""
        for server in gateway.root.get("spec", "servers").items()
        for host in server.get("hosts").items()
    ]
    open_to_us = [name for host in served if (name := _open_to(host, resource, gateway))]
    for host in resource.root.get("spec", "hosts").items():
        if not any(overlap(name.lower(), (host.text or "").lower()) for name in open_to_us):
            yield host.problem(
                warnings.HOST_NOT_IN_GATEWAY, gateway=gateway.place.subject, known=listed(served)
            )


def _open_to(host: str, resource: Resource, gateway: Resource) -> str | None:
    """The host of a server, if VirtualServices of this namespace may use it."""
    namespace, _, name = host.rpartition("/")
    own = gateway.namespace if namespace == "." else namespace
    return name if own in {"", "*", resource.namespace} else None
