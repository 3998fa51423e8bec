"""To what routes attach: the listeners and Services that their `parentRefs` mean, and why one refuses.

istiod: pilot/pkg/config/kube/gateway/conversion.go, `extractParentReferenceInfo`, `referenceAllowed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.gateway_api.conditions import Condition, Failure, conditions
from localmesh.catalog.gateway_api.inputs import (
    CONTROLLER,
    GATEWAY_KIND,
    LISTENER_SET_KIND,
    SERVICE_ENTRY_KIND,
    SERVICE_KIND,
    Block,
    Inputs,
    Kinded,
    kinded,
)
from localmesh.catalog.gateway_api.listeners import Listener
from localmesh.catalog.hosts import is_wildcard, is_within, overlap
from localmesh.formats.hostnames import SERVICE_DOMAIN
from localmesh.kinds.gateway_api import GROUP, TCP_ROUTE
from localmesh.manifests import Resource

Json = dict[str, Any]

_MESH_PARENTS = (SERVICE_KIND, SERVICE_ENTRY_KIND)
_SEVERITY = (
    "",
    "NotAllowedByListeners",
    "NoMatchingListenerHostname",
    "ParentRefConflict",
    "NoMatchingParent",
)
"""The reasons of refusals; of several the first is reported."""


@dataclass(frozen=True, slots=True)
class Parent:
    """One listener, or one Service, that a `parentRef` of a route means.

    `internal_name` is the name of the Istio Gateway, or ``mesh``; `hosts` are those of a Service or
    ServiceEntry; `banned` are host names of other listeners that take precedence.
    """

    reference: Block
    internal_name: str
    refusal: Failure | None
    listener: Listener | None = None
    hosts: tuple[str, ...] = ()
    owner: str = ""
    banned: frozenset[str] = frozenset()

    @property
    def is_mesh(self) -> bool:
        """Whether the route is for calls to a Service, and not for a gateway."""
        return self.listener is None

    def isolates(self, host: str) -> bool:
        """Whether requests for a host go to the routes of another listener, which names it more exactly."""
        own = self.listener.hostname if self.listener else ""
        if own and not is_wildcard(own):
            return False
        if own and not overlap(host, own):
            return True
        return any(len(own) <= len(other) and is_within(host, other or "") for other in self.banned if other)


def parents_of(inputs: Inputs, route: Resource, listeners: Sequence[Listener]) -> list[Parent]:
    """All listeners and Services that a route asks for, by their references."""
    found = [
        parent
        for reference in route.spec.get("parentRefs") or ()
        for parent in _of_reference(inputs, route, reference, listeners)
    ]
    return sorted(found, key=lambda parent: reference_text(parent.reference, route.namespace))


def _of_reference(
    inputs: Inputs, route: Resource, reference: Block, listeners: Sequence[Listener]
) -> Iterator[Parent]:
    kind = kinded(reference, GATEWAY_KIND)
    namespace = reference.get("namespace", route.namespace)
    if kind in _MESH_PARENTS:
        yield _of_service(inputs, reference, kind, namespace)
    elif kind in (GATEWAY_KIND, LISTENER_SET_KIND):
        key = kind, namespace, reference["name"]
        of_parent = [item for item in listeners if (item.kind, item.owner.namespace, item.owner.name) == key]
        for listener in of_parent:
            yield Parent(
                reference,
                listener.internal_name,
                _refusal(route, reference, listener),
                listener,
                owner=namespace,
                banned=_banned(listener, of_parent),
            )


def _of_service(inputs: Inputs, reference: Block, kind: Kinded, namespace: str) -> Parent:
    name = reference["name"]
    if kind == SERVICE_KIND:
        found, what = inputs.service(namespace, name), "service"
        hosts = (f"{name}.{namespace}.{SERVICE_DOMAIN}",)
    else:
        found, what = inputs.service_entry(namespace, name), "service entry"
        hosts = tuple(found.spec.get("hosts") or ()) if found else ()
    refusal = None if found else Failure("NoMatchingParent", f'parent {what}: "{name}" not found')
    return Parent(reference, "mesh", refusal, hosts=hosts, owner=namespace)


def _banned(listener: Listener, others: Iterable[Listener]) -> frozenset[str]:
    """The host names of other listeners of the same port and protocol."""
    return frozenset(
        other.hostname
        for other in others
        if other is not listener and (other.port, other.protocol) == (listener.port, listener.protocol)
    ) - {listener.hostname}


def _refusal(route: Resource, reference: Block, listener: Listener) -> Failure | None:
    """Why a listener refuses a route, or None."""
    if reference.get("port", listener.port) != listener.port:
        return Failure("NoMatchingParent", f"port {reference['port']} not found")
    section = reference.get("sectionName") or listener.name
    if section != listener.name:
        return Failure("NoMatchingParent", f'sectionName "{section}" not found')
    if failure := _host_refusal(route, listener):
        return failure
    if Kinded(GROUP, route.kind) not in listener.kinds:
        version = "v1"
        return Failure("NotAllowedByListeners", f"kind {GROUP}/{version}/{route.kind} is not allowed")
    return None


def _host_refusal(route: Resource, listener: Listener) -> Failure | None:
    hostnames = () if route.is_a(TCP_ROUTE) else route.spec.get("hostnames") or ()
    is_match = False
    for hostname in hostnames or ("*",):
        for host in listener.hosts:
            namespace, _, name = host.partition("/")
            if overlap(name, hostname):
                is_match = True
                if namespace in ("*", route.namespace):
                    return None
    if not listener.hosts:
        return None
    shown = f'"{listener.hostname}"'
    if is_match:
        return Failure(
            "NotAllowedByListeners",
            f'hostnames matched parent hostname {shown}, but namespace "{route.namespace}" is not allowed '
            "by the parent",
        )
    return Failure("NoMatchingListenerHostname", f"no hostnames matched parent hostname {shown}")


def accepted(parents: Iterable[Parent]) -> list[Parent]:
    """The parents that do not refuse, by the names of their Gateways."""
    kept = [parent for parent in parents if parent.refusal is None]
    return sorted(kept, key=lambda parent: parent.internal_name)


def route_status(
    route: Resource, parents: Sequence[Parent], mesh: Failure | None, gateway: Failure | None
) -> list[Json]:
    """The `status.parents` of a route: one entry for each reference.

    `mesh` and `gateway` are the failures of its rules as those of a Service and of a gateway.
    """
    by_reference: dict[str, list[Parent]] = {}
    for parent in parents:
        by_reference.setdefault(reference_text(parent.reference, route.namespace), []).append(parent)
    return [
        _parent_status(of_reference, mesh if of_reference[0].is_mesh else gateway)
        for _, of_reference in sorted(by_reference.items(), reverse=True)
    ]


def _parent_status(parents: Sequence[Parent], failure: Failure | None) -> Json:
    bound = sum(parent.refusal is None for parent in parents)
    message = f"Route was valid, bound to {bound} parents" if bound > 1 else "Route was valid"
    return {
        "parentRef": {**_DEFAULT_REFERENCE, **parents[0].reference},
        "controllerName": CONTROLLER,
        "conditions": conditions(
            {
                "Accepted": Condition("Accepted", message, failure=_reported(parents)),
                "ResolvedRefs": Condition("ResolvedRefs", "All references resolved", failure=failure),
            }
        ),
    }


_DEFAULT_REFERENCE = {"group": GROUP, "kind": "Gateway"}


def _reported(parents: Sequence[Parent]) -> Failure | None:
    """The refusal that is reported: none if one listener accepts the route."""
    worst: Failure | None = parents[0].refusal
    for parent in parents[1:]:
        rank, best = _rank(parent.refusal), _rank(worst)
        if rank < best:
            worst = parent.refusal
        elif rank == best and worst is not None:
            worst = worst.joined(parent.refusal)
    return worst


def _rank(refusal: Failure | None) -> int:
    return _SEVERITY.index(refusal.reason if refusal else "")


def reference_text(reference: Block, namespace: str) -> str:
    """A reference to a parent as one text, by which istiod sorts."""
    return "{}/{}/{}/{}/{}.{}".format(
        reference.get("group", GROUP),
        reference.get("kind", "Gateway"),
        reference["name"],
        reference.get("sectionName", ""),
        reference.get("port", 0),
        reference.get("namespace", namespace),
    )
