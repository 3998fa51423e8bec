"""The statuses of GatewayClasses, Gateways and ListenerSets, in the words of istiod.

istiod: conversion.go, `reportGatewayStatus`; gatewaycommon/conversion.go, context.go, gatewayclass.go.
Here every pod of a gateway is ready, and the address of a gateway is that of this machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from localmesh.catalog.gateway_api.conditions import Condition, Failure, conditions, listed
from localmesh.catalog.gateway_api.deployments import is_managed, service_hosts
from localmesh.catalog.gateway_api.inputs import CONTROLLER, REMOTE_CONTROLLER, Inputs
from localmesh.catalog.gateway_api.listeners import (
    Listener,
    is_allowed,
    remote_gateways,
    sets_of,
)
from localmesh.catalog.gateway_api.parents import Parent
from localmesh.kinds.config_map import CONFIG_MAP
from localmesh.kinds.gateway_api import GATEWAY_CLASS
from localmesh.manifests import Resource

Json = dict[str, Any]

ADDRESS = "127.0.0.1"
_FIRST = ("Accepted", "Programmed")
_NOT_ALLOWED = "The parent Gateway does not allow this reference; check the 'spec.allowedRoutes'"
_LISTENERS_NOT_VALID = "ListenersNotValid"


def class_statuses(inputs: Inputs) -> Iterator[tuple[Resource, Json]]:
    """The statuses of the GatewayClasses whose controller is Istio."""
    for item in inputs.objects.of(GATEWAY_CLASS):
        if item.spec.get("controllerName") in (CONTROLLER, REMOTE_CONTROLLER):
            accepted = Condition("Accepted", "Handled by Istio controller")
            yield item, {"conditions": conditions({"Accepted": accepted})}


def gateway_statuses(
    inputs: Inputs, by_gateway: Iterable[tuple[Resource, Sequence[Listener]]], attached: Iterable[Parent]
) -> Iterator[tuple[Resource, Json]]:
    """The statuses of Gateways and of the ListenerSets that are for them."""
    counts = Counter(
        (id(parent.listener.owner), parent.listener.name) for parent in attached if parent.listener
    )
    for gateway, listeners in by_gateway:
        programmed = _programmed(inputs, gateway, listeners)
        yield gateway, _gateway_status(inputs, gateway, listeners, programmed, counts)
        for each in sets_of(inputs, gateway):
            own = [listener for listener in listeners if listener.owner is each]
            if is_allowed(inputs, gateway, each.namespace):
                yield each, _set_status(gateway, own, programmed, counts)
            else:
                yield each, _refused_set()
    for gateway in remote_gateways(inputs):
        yield gateway, _remote_status(gateway)


def _gateway_status(
    inputs: Inputs,
    gateway: Resource,
    listeners: Sequence[Listener],
    programmed: Condition,
    counts: Mapping[tuple[int, str], int],
) -> Json:
    own = [listener for listener in listeners if listener.owner is gateway]
    found = {
        "Accepted": _accepted(inputs, gateway, own),
        "Programmed": programmed,
        "ResolvedRefs": Condition("ResolvedRefs", "All references resolved"),
    }
    if _accepts_any_client(gateway):
        found["InsecureFrontendValidationMode"] = Condition(
            "ConfigurationChanged",
            "Gateway is operating in AllowInsecureFallback mode for frontend validation",
        )
    sets = {id(listener.owner) for listener in listeners if listener.is_valid} - {id(gateway)}
    return {
        **({"addresses": _addresses(gateway)} if _addresses(gateway) else {}),
        **({"attachedListenerSets": len(sets)} if sets else {}),
        # the API server writes the first two when it stores a Gateway
        "conditions": sorted(conditions(found), key=lambda condition: condition["type"] not in _FIRST),
        "listeners": _listeners(own, counts),
    }


def _listeners(listeners: Iterable[Listener], counts: Mapping[tuple[int, str], int]) -> list[Json]:
    return [
        {**listener.status, "attachedRoutes": counts.get((id(listener.owner), listener.name), 0)}
        for listener in listeners
    ]


def _addresses(gateway: Resource) -> list[Json]:
    """Where a gateway is reached: on this machine, if Istio makes it."""
    if is_managed(gateway):
        return [{"type": "IPAddress", "value": ADDRESS}]
    hosts, _ = service_hosts(gateway)
    return [{"type": "Hostname", "value": host} for host in sorted(hosts)]


def _accepted(inputs: Inputs, gateway: Resource, own: Sequence[Listener]) -> Condition:
    accepted = Condition("Accepted", "Resource accepted")
    _, skipped = service_hosts(gateway)
    if skipped:
        words = " ".join(skipped)
        return accepted.failing(
            Failure("UnsupportedAddress", f"only Hostname is supported, ignoring [{words}]")
        )
    if failure := _parameters_failure(inputs, gateway):
        return accepted.failing(failure)
    valid = sum(listener.is_valid for listener in own)
    if own and not valid:
        return accepted.failing(Failure(_LISTENERS_NOT_VALID, "None of the Gateway's listeners are valid"))
    if valid < len(own):
        return Condition(_LISTENERS_NOT_VALID, "One or more of the Gateway's listeners are invalid")
    return accepted


def _parameters_failure(inputs: Inputs, gateway: Resource) -> Failure | None:
    """Why the object with further settings cannot be used, if there is one."""
    reference = (gateway.spec.get("infrastructure") or {}).get("parametersRef")
    if not reference:
        return None
    if (reference["group"], reference["kind"]) != (CONFIG_MAP.group, CONFIG_MAP.name):
        what = f"{reference['group']}/{reference['kind']}"
        return Failure(
            "InvalidParameters",
            f"Unsupported parametersRef group/kind {what}, only ConfigMap is supported",
        )
    if inputs.config_map(gateway.namespace, reference["name"]) is None:
        name = f"{gateway.namespace}/{reference['name']}"
        return Failure("InvalidParameters", f"parametersRef ConfigMap {name} does not exist")
    return None


def _accepts_any_client(gateway: Resource) -> bool:
    frontend = (gateway.spec.get("tls") or {}).get("frontend") or {}
    blocks = [
        frontend.get("default") or {},
        *(entry.get("tls") or {} for entry in frontend.get("perPort") or ()),
    ]
    modes = [(block.get("validation") or {}).get("mode") for block in blocks]
    return "AllowInsecureFallback" in modes


def _programmed(inputs: Inputs, gateway: Resource, listeners: Sequence[Listener]) -> Condition:
    """Whether the gateway serves its ports: those of its Services that pods are behind."""
    hosts, _ = service_hosts(gateway)
    ports = sorted({str(each.port) for each in listeners if each.has_server and each.hosts})
    condition = Condition("Programmed", "Resource programmed")
    if not hosts:
        failure = Failure("UnsupportedAddress", "Failed to assign to any requested addresses")
        return condition.failing(failure)
    assigned = [f"{host}:{port}" for host in sorted(hosts) for port in ports]
    missing = [] if is_managed(gateway) else list(_missing(inputs, gateway, hosts))
    if missing:
        warnings = "; ".join(missing)
        return condition.failing(
            Failure("AddressNotUsable", f"Failed to assign to any requested addresses: {warnings}")
        )
    if assigned:
        message = f"Resource programmed, assigned to service(s) {listed(assigned)}"
        condition = Condition("Programmed", message)
    return condition


def _missing(inputs: Inputs, gateway: Resource, hosts: Iterable[str]) -> Iterator[str]:
    """The addresses that are not hosts of Services in the namespace of the Gateway."""
    for host in hosts:
        if not inputs.has_host(host, gateway.namespace):
            yield f'hostname "{host}" not found'


def _set_status(
    gateway: Resource,
    own: Sequence[Listener],
    programmed: Condition,
    counts: Mapping[tuple[int, str], int],
) -> Json:
    accepted = Condition("Accepted", "Resource accepted")
    if not any(listener.is_valid for listener in own):
        failure = Failure(_LISTENERS_NOT_VALID, "None of the ListenerSet's listeners are valid")
        accepted, programmed = accepted.failing(failure), programmed.failing(failure)
    else:
        hosts, _ = service_hosts(gateway)
        ports = sorted({str(each.port) for each in own if each.has_server and each.hosts})
        assigned = listed([f"{host}:{port}" for host in sorted(hosts) for port in ports])
        if programmed.failure is None:
            programmed = Condition("Programmed", f"Resource programmed, assigned to service(s) {assigned}")
    return {
        "conditions": conditions({"Accepted": accepted, "Programmed": programmed}),
        "listeners": _listeners(own, counts),
    }


def _refused_set() -> Json:
    failure = Failure("NotAllowed", _NOT_ALLOWED)
    found = {name: Condition(name, "", failure=failure) for name in ("Accepted", "Programmed")}
    return {"conditions": conditions(found)}


def _remote_status(gateway: Resource) -> Json:
    found = {
        "Accepted": Condition("Accepted", "Resource accepted"),
        "Programmed": Condition("Programmed", "This Gateway is remote; Istio will not program it"),
    }
    return {
        "addresses": [dict(address) for address in gateway.spec.get("addresses") or ()],
        "conditions": conditions(found),
    }
