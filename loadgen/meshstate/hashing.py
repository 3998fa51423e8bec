"""By which header a route's destination chooses a pod, always the same one for the same value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen.meshstate.api import Object, Resources
from loadgen.meshstate.errors import NotConfigured, UnsupportedConfig
from loadgen.meshstate.routes import Route, qualified


def hashed_by(resources: Resources, route: Route, *, remedy: str) -> str:
    """The header that the route's one destination is hashed by; raises NotInForce, ending in `remedy`."""
    if len(route.destinations) != 1:
        raise NotConfigured(
            f"{route.where} has {len(route.destinations)} destinations, and which of them is drawn for each "
            f"request: a consistent hash chooses a pod within one of them only; {remedy}"
        )
    destination = route.destinations[0]["destination"]
    hashing = (_policy(resources, destination).get("loadBalancer") or {}).get("consistentHash")
    if not hashing:
        raise NotConfigured(f"no DestinationRule hashes {destination['host']} consistently; {remedy}")
    if "httpHeaderName" not in hashing:
        raise UnsupportedConfig(
            f"{destination['host']} is hashed by {', '.join(sorted(hashing))}, not a header"
        )
    return str(hashing["httpHeaderName"])


def _policy(resources: Resources, destination: Object) -> Mapping[str, Any]:
    """The traffic policy of a destination: the subset's load balancer replaces the rule's."""
    host = qualified(destination["host"], resources.namespace)
    for rule in resources.destination_rules:
        if qualified(rule["spec"]["host"], resources.namespace) != host:
            continue
        policy = dict(rule["spec"].get("trafficPolicy") or {})
        if "portLevelSettings" in policy:
            raise UnsupportedConfig(
                f"DestinationRule {rule['metadata']['name']} has settings for single ports"
            )
        for subset in rule["spec"].get("subsets") or ():
            if subset["name"] == destination.get("subset"):
                policy |= subset.get("trafficPolicy") or {}
        return policy
    return {}
