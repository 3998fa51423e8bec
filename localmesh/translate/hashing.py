"""Consistent hashing: for which destinations it is set, and the hash policies of the routes to them.

Istio, "Destination Rule", `LoadBalancerSettings.ConsistentHashLB`; istiod:
pilot/pkg/networking/core/route/route.go, `HashForHTTPDestination` and `hashForService`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.catalog import DestinationRule
from localmesh.catalog.http_routes import Destination
from localmesh.translate.formats import duration

Json = dict[str, Any]
ConsistentHash = Mapping[str, Any]


def hash_for_destination(rule: DestinationRule | None, destination: Destination) -> ConsistentHash | None:
    """What requests to a route's destination are hashed by, with the DestinationRule of its host.

    Settings for a port apply only if the destination names that port.
    """
    if rule is None:
        return None
    port, subset = destination.port, rule.subset(destination.subset)
    subset_policy = subset.policy if subset else None
    return (
        _of_port(subset_policy, port) or _of(subset_policy) or _of_port(rule.policy, port) or _of(rule.policy)
    )


def hash_for_service(rule: DestinationRule | None, port: int) -> ConsistentHash | None:
    """What requests to a Service's port are hashed by, if no VirtualService routes them."""
    if rule is None:
        return None
    return _of_port(rule.policy, port) or _of(rule.policy)


def hash_policies(hashes: Iterable[ConsistentHash | None]) -> Json:
    """The hash policies of a route, as a fragment of its action."""
    policies = [policy for policy in map(_hash_policy, hashes) if policy]
    return {"hashPolicy": policies} if policies else {}


def _hash_policy(consistent_hash: ConsistentHash | None) -> Json | None:
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
    attributes = [dict(attribute) for attribute in cookie.get("attributes") or ()]
    return {
        "name": cookie["name"],
        # without `ttl` Envoy only reads the cookie and never sets it
        **({"ttl": duration(cookie["ttl"])} if "ttl" in cookie else {}),
        **({"path": cookie["path"]} if cookie.get("path") else {}),
        **({"attributes": attributes} if attributes else {}),
    }


def _of(policy: Mapping[str, Any] | None) -> ConsistentHash | None:
    return ((policy or {}).get("loadBalancer") or {}).get("consistentHash")


def _of_port(policy: Mapping[str, Any] | None, port: int | None) -> ConsistentHash | None:
    for setting in (policy or {}).get("portLevelSettings") or ():
        if port is not None and (setting.get("port") or {}).get("number") == port:
            return _of(setting)
    return None
