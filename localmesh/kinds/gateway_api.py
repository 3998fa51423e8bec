"""Kinds of the Kubernetes Gateway API, as Istio serves them.

Its `Gateway` has the name of Istio's and is another kind: only group and name together tell them apart.
"""

from localmesh.kinds.kind import Kind, Status
from localmesh.kinds.rules import gateway_api as rules

GROUP = "gateway.networking.k8s.io"

_SESSION = "use a DestinationRule with loadBalancer.consistentHash"
_NO_ROUTE = "as in Istio, a route with this filter has no effect, and its status says so"
_HTTP_FILTERS = ("cors", "extensionRef", "externalAuth", "requestMirror", "requestRedirect", "urlRewrite")
_GRPC_FILTERS = ("extensionRef", "requestMirror")


_DEFAULT_GATEWAYS = {"spec.useDefaultGateways": "Istio does not read it"}


def _refused(rule: tuple[str, ...], backend: tuple[str, ...]) -> dict[str, str]:
    """The filters of rules and of their backends that Istio does not support."""
    of_rules = {f"spec.rules[].filters[].{name}": _NO_ROUTE for name in rule}
    return of_rules | {f"spec.rules[].backendRefs[].filters[].{name}": _NO_ROUTE for name in backend}


GATEWAY_CLASS = Kind(
    group=GROUP,
    name="GatewayClass",
    versions=("v1", "v1beta1"),
    plural="gatewayclasses",
    short_names=("gc",),
    namespaced=False,
    ineffective_fields={
        "spec.description": "it is prose",
        "spec.parametersRef": "Istio does not read it",
    },
)
KUBERNETES_GATEWAY = Kind(
    group=GROUP,
    name="Gateway",
    versions=("v1", "v1beta1"),
    plural="gateways",
    short_names=("gtw",),
    rules=(rules.addresses, rules.infrastructure, rules.listeners, rules.frontend_tls),
    ineffective_fields={
        "spec.defaultScope": "Istio does not read it",
        "spec.infrastructure.annotations": "they are for the Deployment and the Service on a cluster",
        "spec.infrastructure.parametersRef": "it changes the Deployment and the Service on a cluster",
        "spec.tls.backend": "Istio checks the reference, and gives gateways no certificate for backends",
    },
)
HTTP_ROUTE = Kind(
    group=GROUP,
    name="HTTPRoute",
    versions=("v1", "v1beta1"),
    plural="httproutes",
    rules=(rules.parents, rules.http_rules),
    unsupported_fields={"spec.rules[].sessionPersistence": _SESSION},
    ineffective_fields=_refused(("extensionRef", "externalAuth"), _HTTP_FILTERS) | _DEFAULT_GATEWAYS,
)
GRPC_ROUTE = Kind(
    group=GROUP,
    name="GRPCRoute",
    versions=("v1",),
    plural="grpcroutes",
    rules=(rules.parents, rules.grpc_rules),
    unsupported_fields={"spec.rules[].sessionPersistence": _SESSION},
    ineffective_fields=_refused(("extensionRef",), _GRPC_FILTERS) | _DEFAULT_GATEWAYS,
)
TLS_ROUTE = Kind(
    group=GROUP,
    name="TLSRoute",
    versions=("v1", "v1alpha3", "v1alpha2"),
    plural="tlsroutes",
    rules=(rules.parents, rules.tls_hostnames, rules.connection_rules),
    ineffective_fields=_DEFAULT_GATEWAYS,
)
TCP_ROUTE = Kind(
    group=GROUP,
    name="TCPRoute",
    versions=("v1", "v1alpha2"),
    plural="tcproutes",
    rules=(rules.parents, rules.connection_rules),
    ineffective_fields=_DEFAULT_GATEWAYS,
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
    ineffective_fields={"spec.options": "Istio does not read them"},
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
