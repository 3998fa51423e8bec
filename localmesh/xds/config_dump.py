"""A proxy's configuration as JSON for people and for comparisons, in the form that `istioctl` prints."""

from __future__ import annotations

from typing import Any

from localmesh.envoy_messages.messages import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ROUTE, canonical
from localmesh.translate import ProxyConfig
from localmesh.translate.security import filled, with_policies


def config_dump(config: ProxyConfig) -> dict[str, list[dict[str, Any]]]:
    """All parts of a configuration, with camelCase names, without defaults, in the order of delivery."""
    return {
        "listeners": [
            canonical(LISTENER, with_policies(listener, config.policies)) for listener in config.listeners
        ],
        "routes": [canonical(ROUTE, route) for route in (*config.routes, *config.further_routes)],
        "clusters": [canonical(CLUSTER, cluster) for cluster in config.clusters],
        "endpoints": [canonical(ENDPOINTS, endpoints) for endpoints in config.endpoints],
        "policies": [canonical(EXTENSION, policy) for policy in filled(config.policies)],
    }
