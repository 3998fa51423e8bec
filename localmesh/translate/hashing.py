"""Consistent hashing: which destination has it, and the hash policy that its routes carry.

Istio, "Destination Rule", `LoadBalancerSettings.ConsistentHashLB`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.catalog import Catalog, DestinationRule
from localmesh.translate.durations import duration

Json = dict[str, Any]
ConsistentHash = Mapping[str, Any]


def hash_for_destination(
    catalog: Catalog, namespace: str, destination: Mapping[str, Any]
) -> ConsistentHash | None:
    """The consistent hash of a route's destination.

    Settings for a port count only where the destination names that port.
    """
    rule = catalog.rule_for(destination["host"], namespace)
    if rule is None:
        return None
    port = (destination.get("port") or {}).get("number")
    subset = rule.subset(destination.get("subset", ""))
    subset_policy = subset.policy if subset else None
    return (
        _of_port(subset_policy, port) or _of(subset_policy) or _of_port(rule.policy, port) or _of(rule.policy)
    )


def hash_for_service(rule: DestinationRule | None, port: int) -> ConsistentHash | None:
    """The consistent hash of a Service's port that no VirtualService routes."""
    if rule is None:
        return None
    return _of_port(rule.policy, port) or _of(rule.policy)


def hash_policy(consistent_hash: ConsistentHash | None) -> Json | None:
    """Envoy's hash policy for what the request is hashed by."""
    if not consistent_hash:
        return None
    if "httpHeaderName" in consistent_hash:
        return {"header": {"headerName": consistent_hash["httpHeaderName"]}}
    if "httpQueryParameterName" in consistent_hash:
        return {"queryParameter": {"name": consistent_hash["httpQueryParameterName"]}}
    if "useSourceIp" in consistent_hash:
        return {"connectionProperties": {"sourceIp": consistent_hash["useSourceIp"]}}
    if "httpCookie" in consistent_hash:
        return {"cookie": _cookie(consistent_hash["httpCookie"])}
    return None


def _cookie(cookie: Mapping[str, Any]) -> Json:
    out: Json = {"name": cookie["name"]}
    if "ttl" in cookie:  # without one Envoy only reads the cookie and never makes it
        out["ttl"] = duration(cookie["ttl"])
    if cookie.get("path"):
        out["path"] = cookie["path"]
    if cookie.get("attributes"):
        out["attributes"] = [dict(attribute) for attribute in cookie["attributes"]]
    return out


def _of(policy: Mapping[str, Any] | None) -> ConsistentHash | None:
    return ((policy or {}).get("loadBalancer") or {}).get("consistentHash")


def _of_port(policy: Mapping[str, Any] | None, port: int | None) -> ConsistentHash | None:
    for setting in (policy or {}).get("portLevelSettings") or ():
        if port is not None and (setting.get("port") or {}).get("number") == port:
            return _of(setting)
    return None
