"""Envoy's words for where things are and where configuration comes from."""

from __future__ import annotations

from typing import Any

from localmesh.catalog import Address

Json = dict[str, Any]

ADS: Json = {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}
"""Where a resource's configuration comes from: the stream that the proxy already holds."""
DNS_CACHE: Json = {"name": "passthrough", "dnsLookupFamily": "V4_PREFERRED"}
"""How names that callers give are looked up; clusters and the filter before them share the cache."""


def socket_address(address: Address) -> Json:
    """Envoy's form of an address."""
    return {"socketAddress": {"address": address.host, "portValue": address.port}}


def endpoint_address(address: Address) -> Json:
    """An endpoint at a socket address."""
    return {"address": socket_address(address)}


def looked_up() -> Json:
    """A cluster whose one endpoint is the host of each request, looked up by the proxy."""
    config = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
    return {
        "lbPolicy": "CLUSTER_PROVIDED",
        "clusterType": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typedConfig": {
                "@type": f"type.googleapis.com/{config}",
                "dnsCacheConfig": DNS_CACHE,
                "allowInsecureClusterOptions": True,  # plain HTTP, to a host of the caller's choice
            },
        },
    }
