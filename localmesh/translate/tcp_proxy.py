"""The network filter that forwards a connection to a cluster, with the limits and hashing of its host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.catalog import DestinationRule
from localmesh.translate.formats import duration

Json = dict[str, Any]

TCP_PROXY = "envoy.filters.network.tcp_proxy"
_TYPE = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def tcp_proxy(stat_prefix: str, settings: Json) -> Json:
    """The network filter that forwards a connection."""
    return {
        "name": TCP_PROXY,
        "typedConfig": {"@type": _TYPE, "statPrefix": stat_prefix, **settings},
    }


def limits_and_hashing(rule: DestinationRule | None, subset: str) -> Json:
    """What the DestinationRule of a host sets for connections to it or to a subset of it."""
    return {**_timeouts(rule), **_hash_policy(rule, subset)}


def _timeouts(rule: DestinationRule | None) -> Json:
    """The limits of connections, which only the policy of the whole host sets."""
    tcp = (((rule.policy if rule else None) or {}).get("connectionPool") or {}).get("tcp") or {}
    names = {"idleTimeout": "idleTimeout", "maxConnectionDuration": "maxDownstreamConnectionDuration"}
    return {name: duration(tcp[field]) for field, name in names.items() if field in tcp}


def _hash_policy(rule: DestinationRule | None, subset_name: str) -> Json:
    """Hashing by the client's address, the only kind that connections have."""
    if rule is None:
        return {}
    by_address = _by_address(rule.policy)
    subset = rule.subset(subset_name)
    if subset is not None and (subset.policy or {}).get("loadBalancer"):
        by_address = _by_address(subset.policy)
    return {"hashPolicy": [{"sourceIp": {}}]} if by_address else {}


def _by_address(policy: Mapping[str, Any] | None) -> bool:
    balancer = (policy or {}).get("loadBalancer") or {}
    return bool((balancer.get("consistentHash") or {}).get("useSourceIp"))
