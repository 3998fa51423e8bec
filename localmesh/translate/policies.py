"""The HTTP filters that a workload's security policies put before all others: tokens, then rules.

Istio writes them into the listener. Here the listener has a slot for each, filled over the stream of
extension configurations: so a policy is in force for the next request of every connection that there is,
and no connection ends because a policy changed.
"""

from __future__ import annotations

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


def with_policies(listener: Json, filled: tuple[Json, ...]) -> Json:
    """A listener as Istio writes it: with the policies in it, and without slots."""
    by_slot = {each["name"]: each["typedConfig"] for each in filled}
    chains = [
        {**chain, "filters": [_with_policies(filter_, by_slot) for filter_ in chain["filters"]]}
        for chain in listener["filterChains"]
    ]
    return {**listener, "filterChains": chains}


def _with_policies(network_filter: Json, by_slot: Json) -> Json:
    manager = network_filter["typedConfig"]
    filters = [_inline(each, by_slot) for each in manager["httpFilters"]]
    kept = [each for each in filters if each is not None]
    return {**network_filter, "typedConfig": {**manager, "httpFilters": kept}}


def _inline(http_filter: Json, by_slot: Json) -> Json | None:
    if "configDiscovery" not in http_filter:
        return http_filter
    config = by_slot[http_filter["name"]]
    is_empty = set(config) == {"@type"}
    return None if is_empty else {"name": _FILTERS[http_filter["name"]][0], "typedConfig": config}


def _real_ports(proxy: Proxy) -> dict[int, int]:
    """Where the proxy really listens for each port that a policy may name."""
    if proxy.kind is ProxyKind.GATEWAY:
        return {port: address.port for port, address in proxy.listen.items()}
    return {inbound.container_port: inbound.listen.port for inbound in proxy.inbound}
