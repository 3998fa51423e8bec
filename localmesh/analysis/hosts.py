"""Hosts that several VirtualServices claim, and delegates (istio: conflictingmeshgatewayhosts.go)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.world import World
from localmesh.formats.hostnames import full_host
from localmesh.manifests.resources import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import quoted


def conflicts(world: World) -> Iterator[Problem]:
    """Hosts that two VirtualServices claim in the sidecars of one namespace."""
    claims: dict[str, list[Resource]] = {}
    for resource in sorted(world.all("VirtualService"), key=lambda each: each.order):
        names = [gateway.text for gateway in resource.root.get("spec", "gateways").items()]
        if names and "mesh" not in names:
            continue
        for host in resource.root.get("spec", "hosts").items():
            name = full_host(host.text or "", resource.namespace)
            earlier = [each for each in claims.get(name, []) if _seen_together(each, resource)]
            if earlier:
                yield host.problem(
                    warnings.CONFLICTING_HOSTS,
                    host=name,
                    first=earlier[0].place.subject,
                    where=earlier[0].place.position,
                )
            claims.setdefault(name, []).append(resource)


def _seen_together(one: Resource, other: Resource) -> bool:
    seen_by, also_seen_by = _namespaces(one), _namespaces(other)
    return "*" in seen_by | also_seen_by or bool(seen_by & also_seen_by)


def _namespaces(resource: Resource) -> set[str]:
    entries = [entry.text or "" for entry in resource.root.get("spec", "exportTo").items()]
    return {resource.namespace if entry == "." else entry for entry in entries} or {"*"}


def delegates(world: World) -> Iterator[Problem]:
    """The delegates that routes name."""
    for resource in world.all("VirtualService"):
        for route in resource.root.get("spec", "http").items():
            delegate = route.get("delegate")
            name = delegate.get("name").text
            if not name:
                continue
            namespace = delegate.get("namespace").text or resource.namespace
            target = world.named.get(("VirtualService", namespace, name))
            if target is None or target.spec.get("hosts"):
                yield delegate.problem(
                    warnings.MISSING_DELEGATE,
                    found=quoted(name),
                    name=f"VirtualService {namespace}/{name} without hosts",
                )
