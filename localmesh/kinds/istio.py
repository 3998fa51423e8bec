"""Kinds of Istio that have no rules of their own, because they are ignored."""

from localmesh.kinds.kind import NETWORKING, Kind, Status

PROXY_CONFIG = Kind(
    group=NETWORKING,
    name="ProxyConfig",
    versions=("v1beta1",),
    plural="proxyconfigs",
    status=Status.IGNORED,
    reason="threads, images and variables of Istio's own proxies",
)
