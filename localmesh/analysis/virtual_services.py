"""VirtualServices that compete for a host, and delegates that do not exist.

(istio: pkg/config/analysis/analyzers/virtualservice)
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from localmesh.catalog import MESH, Catalog, VirtualService
from localmesh.catalog.virtual_services import delegate_of
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.problems import FieldPath, Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed, quoted


def conflicting_hosts(catalog: Catalog) -> Iterator[Problem]:
    """Hosts that two VirtualServices have in the sidecars of one namespace: the older one counts."""
    owners: dict[str, list[VirtualService]] = {}
    for virtual_service in catalog.virtual_services:
        if MESH not in virtual_service.gateways:
            continue
        for index, host in enumerate(virtual_service.hosts):
            older = [owner for owner in owners.get(host, ()) if _seen_together(owner, virtual_service)]
            if older:
                yield _conflict(virtual_service, index, older[0])
            owners.setdefault(host, []).append(virtual_service)


def _conflict(ignored: VirtualService, index: int, older: VirtualService) -> Problem:
    first = older.resource.place
    return ignored.resource.root.at(FieldPath("spec", "hosts", index)).problem(
        warnings.CONFLICTING_HOSTS, host=ignored.hosts[index], first=first.subject, where=first.position
    )


def _seen_together(one: VirtualService, other: VirtualService) -> bool:
    seen_by, also_seen_by = _namespaces(one), _namespaces(other)
    return "*" in seen_by | also_seen_by or bool(seen_by & also_seen_by)


def _namespaces(of: VirtualService) -> set[str]:
    return {of.namespace if entry == "." else entry for entry in of.export_to} or {"*"}


def contradicting_delegates(catalog: Catalog) -> Iterator[Problem]:
    """Routes of delegates that no VirtualService has, as their matches are not within that of the root."""
    origins = [origin for virtual_service in catalog.virtual_services for origin in virtual_service.origins]
    used = {(origin.resource.place, origin.path) for origin in origins}
    for virtual_service in catalog.virtual_services:
        for origin in virtual_service.left_out:
            if (origin.resource.place, origin.path) not in used:
                root = virtual_service.resource.root.at(origin.root or FieldPath())
                yield origin.resource.root.at(origin.path / "match").problem(
                    warnings.CONTRADICTING_DELEGATE,
                    root=f"{virtual_service.resource.place.subject}, {root.path}",
                    condition=_shown(root),
                )


def _shown(root: Field) -> str:
    """The matches of a rule that delegates, as they are written."""
    return listed((json.dumps(match.value) for match in root.get("match").items()), "or")


def missing_delegates(catalog: Catalog) -> Iterator[Problem]:
    """Delegates of routes that are not there, not exported, or have hosts of their own."""
    for resource in catalog.objects.of(VIRTUAL_SERVICE):
        for route in resource.root.get("spec", "http").items():
            delegate = route.get("delegate")
            name = delegate.get("name").text
            if not name or delegate_of(
                route.value,
                resource.namespace,
                catalog.objects,
                catalog.mesh_config.default_virtual_service_export_to,
            ):
                continue
            namespace = delegate.get("namespace").text or resource.namespace
            subject = f"VirtualService {namespace}/{name}"
            target = catalog.objects.named(VIRTUAL_SERVICE, namespace, name)
            if target is None or target.spec.get("hosts"):
                reason = f"there is no {subject} without hosts"
            else:
                reason = f"{subject} is not exported to namespace {resource.namespace}"
            yield delegate.problem(warnings.MISSING_DELEGATE, found=quoted(name), reason=reason)
