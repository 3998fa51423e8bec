"""The HTTP filters that a workload's security policies put before all others: tokens, then rules.

Istio writes them into the listener. Here the listener has a slot for each, filled over the stream of
extension configurations: so a policy is in force for the next request of every connection that there is,
and no connection ends because a policy changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localmesh.catalog import Action, Catalog, Proxy, ProxyKind
from localmesh.translate.jwt import JWT, JWT_CONFIG, jwt_filter
from localmesh.translate.rbac import RBAC, RBAC_CONFIG, rbac_filter

Json = dict[str, Any]

_TOKENS = "tokens"
_RULES = {action: f"rules-{action.value.lower()}" for action in Action}
_FILTERS = {_TOKENS: (JWT, JWT_CONFIG), **dict.fromkeys(_RULES.values(), (RBAC, RBAC_CONFIG))}
_ADS: Json = {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}


def policy_slots() -> list[Json]:
    """The filters of a listener that policies fill, the same for all."""
    return [
        {"name": slot, "configDiscovery": {"configSource": _ADS, "typeUrls": [config]}}
        for slot, (_, config) in _FILTERS.items()
    ]


def policies(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """What fills the slots: of a sidecar for requests to its own application, of a gateway for all.

    A slot that no policy fills gets a configuration that lets everything pass.
    """
    found = {_TOKENS: jwt_filter(catalog.jwt_rules_for(proxy))}
    of_workload, ports = catalog.policies_for(proxy), _real_ports(proxy)
    for action, slot in _RULES.items():
        found[slot] = rbac_filter(action, [each for each in of_workload if each.action is action], ports)
    return [
        {"name": slot, "typedConfig": found[slot] or {"@type": config}}
        for slot, (_, config) in _FILTERS.items()
    ]


def filled(slots: Iterable[Json]) -> list[Json]:
    """The filters that policies make, under Istio's names for them and without the empty slots."""
    return [
        {**slot, "name": _FILTERS[slot["name"]][0]} for slot in slots if set(slot["typedConfig"]) != {"@type"}
    ]


def with_policies(listener: Json, slots: tuple[Json, ...]) -> Json:
    """A listener as Istio writes it: with the policies in it, and without slots."""
    found = filled(slots)
    chains = [
        {**chain, "filters": [_with_policies(filter_, found) for filter_ in chain["filters"]]}
        for chain in listener["filterChains"]
    ]
    return {**listener, "filterChains": chains}


def _with_policies(network_filter: Json, found: list[Json]) -> Json:
    manager = network_filter["typedConfig"]
    others = [each for each in manager["httpFilters"] if "configDiscovery" not in each]
    policies = found if len(others) < len(manager["httpFilters"]) else []
    return {**network_filter, "typedConfig": {**manager, "httpFilters": [*policies, *others]}}


def _real_ports(proxy: Proxy) -> dict[int, int]:
    """Where the proxy really listens for each port that a policy may name."""
    if proxy.kind is ProxyKind.GATEWAY:
        return {port: address.port for port, address in proxy.listen.items()}
    return {inbound.container_port: inbound.listen.port for inbound in proxy.inbound}
