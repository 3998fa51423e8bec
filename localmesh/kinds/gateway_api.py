"""Kinds of the Kubernetes Gateway API, as Istio serves them.

Its `Gateway` has the name of Istio's and is another kind: only group and name together tell them apart.
"""

from localmesh.kinds.kind import Kind, Status
from localmesh.kinds.rules import gateway_api as rules

GROUP = "gateway.networking.k8s.io"

_SESSION = "use a DestinationRule with loadBalancer.consistentHash"

GATEWAY_CLASS = Kind(
    group=GROUP,
    name="GatewayClass",
    versions=("v1", "v1beta1"),
    plural="gatewayclasses",
    short_names=("gc",),
    namespaced=False,
)
KUBERNETES_GATEWAY = Kind(
    group=GROUP,
    name="Gateway",
    versions=("v1", "v1beta1"),
    plural="gateways",
    short_names=("gtw",),
    rules=(rules.addresses, rules.infrastructure, rules.listeners, rules.frontend_tls),
)
HTTP_ROUTE = Kind(
    group=GROUP,
    name="HTTPRoute",
    versions=("v1", "v1beta1"),
    plural="httproutes",
    rules=(rules.parents, rules.http_rules),
    unsupported_fields={"spec.rules[].sessionPersistence": _SESSION},
)
GRPC_ROUTE = Kind(
    group=GROUP,
    name="GRPCRoute",
    versions=("v1",),
    plural="grpcroutes",
    rules=(rules.parents, rules.grpc_rules),
    unsupported_fields={"spec.rules[].sessionPersistence": _SESSION},
)
TLS_ROUTE = Kind(
    group=GROUP,
    name="TLSRoute",
    versions=("v1", "v1alpha3", "v1alpha2"),
    plural="tlsroutes",
    rules=(rules.parents, rules.tls_hostnames, rules.connection_rules),
)
TCP_ROUTE = Kind(
    group=GROUP,
    name="TCPRoute",
    versions=("v1", "v1alpha2"),
    plural="tcproutes",
    rules=(rules.parents, rules.connection_rules),
)
UDP_ROUTE = Kind(
    group=GROUP,
    name="UDPRoute",
    versions=("v1", "v1alpha2"),
    plural="udproutes",
    has_schema=False,
    status=Status.IGNORED,
    reason="Istio does not route UDP",
)
REFERENCE_GRANT = Kind(
    group=GROUP,
    name="ReferenceGrant",
    versions=("v1", "v1beta1"),
    plural="referencegrants",
    short_names=("refgrant",),
)
BACKEND_TLS_POLICY = Kind(
    group=GROUP,
    name="BackendTLSPolicy",
    versions=("v1", "v1alpha3"),
    plural="backendtlspolicies",
    short_names=("btlspolicy",),
    rules=(rules.backend_tls,),
)
LISTENER_SET = Kind(
    group=GROUP,
    name="ListenerSet",
    versions=("v1",),
    plural="listenersets",
    short_names=("lset",),
    rules=(rules.listeners,),
)
ROUTES = (HTTP_ROUTE, GRPC_ROUTE, TLS_ROUTE, TCP_ROUTE)
