"""One pod of a headless Service, called by its own name, among the endpoints of the Service's cluster.

In a cluster the name leads to the address of the pod, which Istio takes for the destination (ORIGINAL_DST).
Here endpoints carry the name of their pod, by which Envoy chooses (Envoy, "Load Balancer Subsets").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.catalog import Service
from localmesh.translate.tcp_proxy import TCP_PROXY

Json = dict[str, Any]

_POD = "pod"
_METADATA = "envoy.lb"


def choosing_pods(service: Service, common: Json) -> Json:
    """The part of a cluster that lets callers choose a pod; without a choice any pod will do.

    Envoy allows weights of localities only where `common`, the settings of its load balancing, has them.
    """
    if not service.pod_names:
        return {}
    is_weighted = "localityWeightedLbConfig" in common
    return {
        "lbSubsetConfig": {
            "fallbackPolicy": "ANY_ENDPOINT",
            "subsetSelectors": [{"keys": [_POD], "fallbackPolicy": "NO_FALLBACK"}],
            **({"localityWeightAware": True} if is_weighted else {}),
        }
    }


def pod_mark(pod: str) -> Json:
    """The metadata of the endpoint that is a pod."""
    return {_METADATA: {_POD: pod}}


def only_pod(pod: str) -> Json:
    """The part of a route, or of a TCP proxy, that chooses a pod."""
    return {"metadataMatch": {"filterMetadata": pod_mark(pod)}}


def chosen_pod(settings: Mapping[str, Any]) -> str:
    """The pod that a route or a TCP proxy chooses; "" for any."""
    metadata = (settings.get("metadataMatch") or {}).get("filterMetadata") or {}
    return str(metadata.get(_METADATA, {}).get(_POD, ""))


def chains_to_pod(chains: Iterable[Json], pod: str) -> list[Json]:
    """Filter chains that forward connections to one pod where they lead to its Service."""
    return [
        {**chain, "filters": [_to_pod(network_filter, pod) for network_filter in chain["filters"]]}
        for chain in chains
    ]


def _to_pod(network_filter: Json, pod: str) -> Json:
    if network_filter["name"] != TCP_PROXY:
        return network_filter
    return {**network_filter, "typedConfig": {**network_filter["typedConfig"], **only_pod(pod)}}
