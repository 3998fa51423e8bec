"""Kinds of the Kubernetes Gateway API, none of which localmesh supports yet.

Its `Gateway` has the name of Istio's and is another kind: only group and name together tell them apart.
"""

from localmesh.kinds.kind import Kind, Status

_GROUP = "gateway.networking.k8s.io"
_REASON = "use Istio's Gateway and VirtualService"

GATEWAY_CLASS = Kind(
    group=_GROUP,
    name="GatewayClass",
    versions=("v1", "v1beta1"),
    plural="gatewayclasses",
    short_names=("gc",),
    namespaced=False,
    has_schema=False,
    status=Status.UNSUPPORTED,
    reason=_REASON,
)
KUBERNETES_GATEWAY = Kind(
    group=_GROUP,
    name="Gateway",
    versions=("v1", "v1beta1"),
    plural="gateways",
    short_names=("gtw",),
    has_schema=False,
    status=Status.UNSUPPORTED,
    reason=_REASON,
)
GRPC_ROUTE = Kind(
    group=_GROUP,
    name="GRPCRoute",
    versions=("v1",),
    plural="grpcroutes",
    has_schema=False,
    status=Status.UNSUPPORTED,
    reason=_REASON,
)
HTTP_ROUTE = Kind(
    group=_GROUP,
    name="HTTPRoute",
    versions=("v1", "v1beta1"),
    plural="httproutes",
    has_schema=False,
    status=Status.UNSUPPORTED,
    reason=_REASON,
)
REFERENCE_GRANT = Kind(
    group=_GROUP,
    name="ReferenceGrant",
    versions=("v1", "v1beta1"),
    plural="referencegrants",
    short_names=("refgrant",),
    has_schema=False,
    status=Status.UNSUPPORTED,
    reason=_REASON,
)
