"""Kinds of Istio that have no rules of their own: ignored, or not supported yet."""

from localmesh.kinds.kind import NETWORKING, Kind, Status

PROXY_CONFIG = Kind(
    group=NETWORKING,
    name="ProxyConfig",
    versions=("v1beta1",),
    plural="proxyconfigs",
    status=Status.IGNORED,
    reason="threads, images and variables of Istio's own proxies",
)
TRAFFIC_EXTENSION = Kind(
    group="extensions.istio.io",
    name="TrafficExtension",
    versions=("v1alpha1",),
    plural="trafficextensions",
    status=Status.UNSUPPORTED,
)
WASM_PLUGIN = Kind(
    group="extensions.istio.io",
    name="WasmPlugin",
    versions=("v1alpha1",),
    plural="wasmplugins",
    status=Status.UNSUPPORTED,
)
