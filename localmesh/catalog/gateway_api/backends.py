"""The backends of routes as destinations (istiod: conversion.go, `buildDestination`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.gateway_api.conditions import Failure
from localmesh.catalog.gateway_api.filters import header_filters
from localmesh.catalog.gateway_api.inputs import (
    HOSTNAME_KIND,
    SERVICE_IMPORT_KIND,
    SERVICE_KIND,
    Block,
    Inputs,
    Kinded,
    kinded,
)
from localmesh.formats.hostnames import SERVICE_DOMAIN

Json = dict[str, Any]

_NOWHERE: Json = {"host": ""}
"""The destination of a backend that must not be used, which has no cluster: calls get 500."""
_SOFT = frozenset({"RefNotPermitted", "BackendNotFound", "InvalidKind"})


class RouteError(Exception):
    """A rule of a route that has no routes at all, with the failure that the status shows."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Referrer:
    """The route that refers to backends. Routes of Services (`is_mesh`) need no grants."""

    kind: Kinded
    namespace: str
    is_mesh: bool


def weight_sum(backends: Iterable[Block] | None) -> int:
    """The sum of the weights; each is 1 where none is written."""
    return sum(backend.get("weight", 1) for backend in backends or ())


def destinations(
    inputs: Inputs, referrer: Referrer, backends: Sequence[Block] | None, *, with_filters: bool = True
) -> tuple[list[tuple[int, Json]], Failure | None]:
    """The weighted destinations, each with the index of its backend, and why one of them is not usable.

    Backends with weight 0 are left out, and the weight of a single one. Raises RouteError.
    """
    used = [(index, backend) for index, backend in enumerate(backends or ()) if backend.get("weight", 1)]
    failure: Failure | None = None
    out: list[tuple[int, Json]] = []
    for index, backend in used:
        destination, of_backend = destination_of(inputs, referrer, backend)
        failure = of_backend or failure
        entry: Json = {"destination": destination}
        if len(used) > 1:
            entry["weight"] = backend.get("weight", 1)
        if with_filters and (headers := header_filters(backend.get("filters") or (), _refuse)):
            entry["headers"] = headers
        out.append((index, entry))
    return out, failure


def _refuse(entry: Block) -> None:
    raise RouteError(Failure("InvalidFilter", f'unsupported filter type "{entry["type"]}"'))


def destination_of(inputs: Inputs, referrer: Referrer, backend: Block) -> tuple[Json, Failure | None]:
    """The destination of a backend, and why it is not usable. Raises RouteError if the route has none."""
    target = kinded(backend, SERVICE_KIND)
    owner = backend.get("namespace", referrer.namespace)
    if failure := _not_permitted(inputs, referrer, backend, target, owner):
        return _NOWHERE, failure
    name = backend["name"]
    if target == HOSTNAME_KIND:
        if "namespace" in backend:
            raise RouteError(Failure("InvalidDestination", "namespace may not be set with Hostname type"))
        host, is_known = name, inputs.has_host(name, owner)
    elif target in (SERVICE_KIND, SERVICE_IMPORT_KIND):
        if target == SERVICE_KIND and "." in name:
            raise RouteError(
                Failure(
                    "InvalidDestination",
                    "service name invalid; the name of the Service must be used, not the hostname.",
                )
            )
        host, is_known = f"{name}.{owner}.{SERVICE_DOMAIN}", inputs.service(owner, name) is not None
    else:
        return _NOWHERE, _unsupported(backend)
    if "port" not in backend:
        raise RouteError(Failure("InvalidDestination", "port is required in backendRef"))
    failure = None if is_known else Failure("BackendNotFound", f"backend({host}) not found")
    return {"host": host, "port": {"number": backend["port"]}}, failure


def _not_permitted(
    inputs: Inputs, referrer: Referrer, backend: Block, target: Kinded, owner: str
) -> Failure | None:
    if referrer.is_mesh or owner == referrer.namespace:
        return None
    if inputs.is_granted(
        source=referrer.kind,
        namespace=referrer.namespace,
        target=target,
        owner=owner,
        name=backend["name"],
    ):
        return None
    return Failure(
        "RefNotPermitted",
        f"backendRef {backend['name']}/{owner} not accessible to a {referrer.kind.kind} in namespace "
        f'"{referrer.namespace}" (missing a ReferenceGrant?)',
    )


def _unsupported(backend: Block) -> Failure:
    if kinded(backend, SERVICE_KIND) == Kinded("inference.networking.k8s.io", "InferencePool"):
        return Failure(
            "InvalidKind",
            "InferencePool is not enabled. To enable, set ENABLE_GATEWAY_API_INFERENCE_EXTENSION to true "
            "in istiod",
        )
    group, kind = backend.get("group", ""), backend.get("kind", "Service")
    return Failure("InvalidKind", f'referencing unsupported backendRef: group "{group}" kind "{kind}"')


def mirrors(inputs: Inputs, referrer: Referrer, filters: Iterable[Block]) -> Iterator[Json | Failure]:
    """Where copies of requests go, by the filters RequestMirror; a failure where one is not usable."""
    for entry in filters:
        if entry["type"] != "RequestMirror":
            continue
        mirror = entry["requestMirror"]
        try:
            destination, failure = destination_of(inputs, referrer, mirror["backendRef"])
        except RouteError as error:
            yield error.failure
            continue
        if failure is not None:
            yield failure
            continue
        out: Json = {"destination": destination}
        if fraction := mirror.get("fraction"):
            out["percentage"] = {"value": 100 * fraction["numerator"] / fraction.get("denominator", 100)}
        elif "percent" in mirror:
            out["percentage"] = {"value": mirror["percent"]}
        yield out
