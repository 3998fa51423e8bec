"""The reasons why a proxy answers itself or a request fails, with their usual causes: a table.

Sources: Envoy, "Access logging" (RESPONSE_FLAGS) and "Response code details"; Istio, "Traffic Management
Problems", "Security Problems" and "Envoy Access Logs".
"""

from __future__ import annotations

from localmesh.diagnose.reason import Reason
from localmesh.diagnose.upstream import Side

_ENDPOINTS = 'istioctl proxy-config endpoints POD.NAMESPACE --cluster "{cluster}"'
_SLICES = "kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={service}"
_ROUTES = "istioctl proxy-config routes POD.NAMESPACE"
_ANALYZE = "istioctl analyze --all-namespaces"
_DESCRIBE = "istioctl experimental describe pod POD.NAMESPACE"
_APPLICATION_LOG = "kubectl logs POD -n NAMESPACE (the log of the application)"
_EXPLAIN = "localmesh explain {method} {url} -f MANIFESTS"
_POLICIES = "kubectl get authorizationpolicies --all-namespaces"
_TOKENS = "kubectl get requestauthentications --all-namespaces"
_DESTINATION_RULES = "kubectl get destinationrules --all-namespaces"
_CONFIG = "istioctl proxy-config all POD.NAMESPACE -o json"
_REFUSED = "error:_?111|refused"

_OF_CONFIGURATION = (
    Reason(
        "the proxy has a route for this request, to a cluster that it does not have",
        (
            "the VirtualService names a subset that no DestinationRule of the host defines",
            "the DestinationRule is in a namespace whose rules this proxy does not read, or limits exportTo",
            "the host has no namespace, and the VirtualService is in another namespace than the Service",
            "the Service has no port of this number, or a Sidecar leaves the host out",
        ),
        (_ANALYZE, _ROUTES, _DESTINATION_RULES, _EXPLAIN),
        flags="NC",
    ),
    Reason(
        "no filter chain of the listener takes the connection",
        (
            "the workload accepts mutual TLS only (PeerAuthentication STRICT), and the caller sent"
            " plain text: it has no sidecar, or a DestinationRule disables TLS",
            "at a gateway, no server has the requested server name among its hosts",
        ),
        (_DESCRIBE, "kubectl get peerauthentications --all-namespaces", _DESTINATION_RULES),
        flags="NR",
        details="filter_chain_not_found",
    ),
    Reason(
        "no route matches this host and path, so the proxy answers 404 itself",
        (
            "at a gateway: no VirtualService has both this gateway and a host that matches {authority}",
            "a VirtualService for {authority} exists, and none of its rules matches {path}",
            "the Gateway has no server with this host for this port, or selects other pods",
            "the client sends another Host header than the one that you expect",
        ),
        (_ROUTES, _ANALYZE, _EXPLAIN),
        flags="NR",
    ),
    Reason(
        "the mesh does not know {authority}, and requests may not leave it (REGISTRY_ONLY)",
        (
            "no ServiceEntry has this host, or it is not exported to the namespace of the caller",
            "a Sidecar of the caller leaves the host out",
            "the name is misspelt, or the Service has another port",
        ),
        ("kubectl get serviceentries,sidecars --all-namespaces", _EXPLAIN),
        cluster="^BlackHoleCluster$",
    ),
    Reason(
        "the cluster has no endpoint that may be used",
        (
            "no pod of Service {service} is ready, or its selector matches no pod",
            "the subset has labels that no pod has",
            "outlier detection has ejected all endpoints",
            "the host is a ServiceEntry whose name is not resolved, or that has no endpoints",
        ),
        (_SLICES, _ENDPOINTS, _EXPLAIN),
        flags="UH",
    ),
    Reason(
        "a circuit breaker is open: a limit of the connection pool is reached",
        (
            "connectionPool of a DestinationRule: http1MaxPendingRequests, http2MaxRequests, maxConnections"
            " or maxRetries is lower than the load needs",
            "{service} has become slow, so that requests pile up",
        ),
        (
            _DESTINATION_RULES,
            "kubectl exec POD -c istio-proxy -- pilot-agent request GET stats | grep -E 'overflow|_open'",
        ),
        flags="UO",
    ),
)
_OF_TLS = (
    Reason(
        "the proxy spoke TLS, and the other side did not",
        (
            "a DestinationRule for {host} has tls.mode ISTIO_MUTUAL, and the pod has no sidecar",
            "a DestinationRule or a Gateway speaks TLS to a port that serves plain HTTP",
        ),
        (_DESCRIBE, _DESTINATION_RULES),
        transport="WRONG_VERSION_NUMBER|HTTP_REQUEST",
    ),
    Reason(
        "the certificate of {upstream} is not accepted",
        (
            "caCertificates or credentialName of the DestinationRule is not the CA that signed it",
            "subjectAltNames or sni do not fit the certificate",
            "the certificate has expired, or is of the CA of another mesh",
        ),
        (_DESTINATION_RULES, "istioctl proxy-config secret POD.NAMESPACE"),
        transport="CERTIFICATE_VERIFY_FAILED|verify (cert|SAN)|CERTIFICATE_(EXPIRED|UNKNOWN)|UNKNOWN_CA",
    ),
    Reason(
        "{upstream} demands a certificate of the caller",
        (
            "the workload accepts mutual TLS only, and the caller uses tls.mode SIMPLE",
            "an external server demands a client certificate: tls.mode MUTUAL with credentialName",
        ),
        (_DESCRIBE, _DESTINATION_RULES),
        transport="CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE",
    ),
)
_OF_CONNECTION = (
    Reason(
        "{upstream} refused the connection: nothing listens there",
        (
            "the targetPort of Service {service} is not the port on which the application listens",
            "the application has not started yet, or has crashed",
            "the application listens on 127.0.0.1 of a port for which a Sidecar names another address",
        ),
        (_APPLICATION_LOG, "kubectl get pods -n NAMESPACE -o wide"),
        flags="UF",
        transport=_REFUSED,
        side=Side.CALLED,
    ),
    Reason(
        "{upstream} refused the connection: nothing listens there",
        (
            "the targetPort of Service {service} is not a port of the container",
            "the pod is starting or stopping; retries on connect-failure, Istio's default, cover this",
            "a ServiceEntry has another port than the server",
        ),
        (_SLICES, _ENDPOINTS),
        flags="UF",
        transport=_REFUSED,
    ),
    Reason(
        "no connection to {upstream} within connectTimeout (10 s by default)",
        (
            "a NetworkPolicy or a firewall drops the packets",
            "the address is of a pod or host that is gone",
        ),
        ("kubectl get networkpolicies --all-namespaces", _SLICES),
        flags="UF",
        details="connection_timeout|connect_timeout",
    ),
    Reason(
        "the connection to {upstream} failed",
        (
            "one side speaks mutual TLS and the other does not: PeerAuthentication STRICT and a"
            " DestinationRule with tls.mode DISABLE, or a caller without a sidecar",
            "the pod is starting or stopping",
            "the network is unreachable",
        ),
        (_DESCRIBE, _SLICES),
        flags="UF",
    ),
    Reason(
        "{upstream} closed the connection before it had answered",
        (
            "it closes idle connections just when the proxy uses one: give the application a longer"
            " keep-alive, or set connectionPool.http.idleTimeout lower",
            "the application has crashed, was killed (out of memory), or is stopping",
            "the port demands mutual TLS and this proxy sends plain text (DestinationRule tls.mode DISABLE)",
        ),
        (_APPLICATION_LOG, "kubectl get pods -n NAMESPACE (restarts)", _DESCRIBE),
        flags="UC",
    ),
    Reason(
        "{upstream} reset the stream",
        ("the application, or the proxy beside it, gave up this request and kept the connection",),
        (_APPLICATION_LOG,),
        flags="UR",
    ),
    Reason(
        "{upstream} sent what is not the expected protocol",
        (
            "the port of Service {service} has a name or appProtocol of another protocol than the application"
            " speaks (http for gRPC, http2 for HTTP/1.1)",
            "the answer has headers that HTTP does not allow",
        ),
        ("kubectl get service {service} -n {namespace} -o yaml", _APPLICATION_LOG),
        flags="UPE",
    ),
    Reason(
        "the proxy gave up the stream",
        (
            "no connection within connectTimeout: older versions of Envoy log that as LR",
            "a filter or a limit of this proxy ended the request",
            "the configuration of the listener or cluster changed while the request was under way",
        ),
        (_CONFIG,),
        flags="LR",
    ),
)
_OF_TIME = (
    Reason(
        "one attempt took longer than perTryTimeout of the retries",
        ("{service} is slower than perTryTimeout allows", "all attempts together hit a slow version"),
        (_ROUTES, _EXPLAIN),
        flags="UT",
        details="per_try_timeout",
    ),
    Reason(
        "{host} did not answer within the timeout of the route",
        (
            "timeout in a VirtualService is shorter than {service} needs, with all retries",
            "{service} hangs, or waits for something itself",
            "the client sent x-envoy-upstream-rq-timeout-ms",
        ),
        (_ROUTES, _APPLICATION_LOG, _EXPLAIN),
        flags="UT",
    ),
    Reason(
        "the client closed the connection before the answer was complete",
        (
            "the client, or a proxy before this one, has a shorter timeout than this request took",
            "a user left the page, or a client was stopped",
        ),
        ("the access log of the proxy before this one, for the same x-request-id",),
        flags="DC|DR",
    ),
    Reason(
        "nothing was sent on the stream for longer than the idle timeout (5 minutes by default)",
        ("a stream or a long poll is silent for too long",),
        (_CONFIG,),
        flags="SI",
    ),
    Reason(
        "the request or the connection took longer than it may",
        ("maxConnectionDuration of a DestinationRule, or a maximum duration in an EnvoyFilter",),
        (_CONFIG,),
        flags="DT|UMSDR",
    ),
)
_OF_SECURITY = (
    Reason(
        "an AuthorizationPolicy denies the request: {policy}",
        ("the request is what the rule describes, or a condition of the rule is wider than intended",),
        (_POLICIES, _EXPLAIN),
        details=r"rbac_access_denied_matched_policy\[(?!none)",
    ),
    Reason(
        "AuthorizationPolicies with action ALLOW apply to the workload, and none allows the request",
        (
            "the policy allows another principal: callers without mutual TLS have none",
            "methods, paths, hosts or claims of its rules are not those of the request",
            "the policy is in another namespace than the workload, or selects other pods",
            "an ALLOW policy without rules denies everything",
        ),
        (_POLICIES, _DESCRIBE, _EXPLAIN),
        details="rbac_access_denied",
    ),
    Reason(
        "the token is refused: {token}",
        (
            "issuer, audiences or the keys of the RequestAuthentication are not those of the token",
            "the token has expired, or its keys could not be fetched (jwksUri)",
        ),
        (_TOKENS, _EXPLAIN),
        details="jwt_authn_access_denied",
    ),
    Reason(
        "the external authorizer could not be asked",
        ("the service of the extensionProvider is down, or its name or port is wrong",),
        ("kubectl get configmap istio -n istio-system -o yaml", _POLICIES),
        details="ext_authz_error",
    ),
    Reason(
        "the external authorizer of a CUSTOM AuthorizationPolicy refused the request",
        ("the authorizer's own rules: its log says why",),
        (_POLICIES, "the log of the authorizer"),
        flags="UAEX",
    ),
)
_ON_PURPOSE = (
    Reason(
        "a fault of a VirtualService was injected",
        ("fault.abort or fault.delay of the rule that matches; on purpose, or forgotten",),
        ("kubectl get virtualservices --all-namespaces -o yaml | grep -B5 -A8 'fault:'", _EXPLAIN),
        flags="FI|DI",
    ),
    Reason(
        "a rate limit is reached",
        ("a local or global rate limit of an EnvoyFilter",),
        ("kubectl get envoyfilters --all-namespaces",),
        flags="RL",
    ),
    Reason(
        "the rate limit service could not be asked",
        ("it is down, or its cluster in the EnvoyFilter does not exist",),
        ("kubectl get envoyfilters --all-namespaces",),
        flags="RLSE",
    ),
    Reason(
        "the route itself is the answer: a redirect or directResponse of a VirtualService",
        ("redirect, directResponse, or httpsRedirect of a Gateway",),
        (_ROUTES, _EXPLAIN),
        details="^direct_response$",
        status=range(300, 1000),
    ),
)
_OF_CLIENT = (
    Reason(
        "the client sent what is not valid HTTP",
        (
            "it speaks TLS, or another protocol, to a port for plain HTTP",
            "a header or the request line is not valid, or too large",
        ),
        ("the command or library that sends the request, with the scheme of its URL",),
        flags="DPE",
    ),
    Reason(
        "the client asks for HTTP/1.0 or below, which this proxy refuses",
        ("an old client or health check",),
        ("the client's settings",),
        details="low_version",
    ),
    Reason(
        "the client asks for an upgrade of the connection that the route does not allow",
        ("the port of the Service is not named http, or an EnvoyFilter removes the upgrade",),
        (_CONFIG,),
        details="upgrade_failed",
    ),
)
_OTHER = (
    Reason(
        "all retries failed, and the entry does not say why the last did",
        ("each attempt ended with an answer that retryOn names",),
        (_ROUTES, _APPLICATION_LOG),
        flags="URX",
    ),
    Reason(
        "the proxy does not know this request's service and sends it on to where DNS says (ALLOW_ANY);"
        " that server answered",
        ("an answer of a server outside the mesh",),
        ("kubectl get serviceentries --all-namespaces",),
        cluster=r"^PassthroughCluster(\||$)",
        status=range(400, 1000),
    ),
    Reason(
        "the application answered this itself; the proxy passed it on",
        ("an error of the application, or of something that it calls",),
        (_APPLICATION_LOG, "the access log of the same sidecar for its calls, for the same x-request-id"),
        details="^(via_upstream|)$",
        status=range(400, 1000),
        side=Side.CALLED,
    ),
    Reason(
        "{host} answered this; this proxy passed it on",
        ("the application, or the proxy beside it",),
        ("the access log of the proxy of {upstream}, for the same x-request-id: has it a response flag?",),
        details="^(via_upstream|)$",
        status=range(400, 1000),
    ),
)
REASONS = (
    *_OF_SECURITY,
    *_OF_CONFIGURATION,
    *_OF_TLS,
    *_OF_CONNECTION,
    *_OF_TIME,
    *_ON_PURPOSE,
    *_OF_CLIENT,
    *_OTHER,
)
"""The reasons, the more specific ones first."""
