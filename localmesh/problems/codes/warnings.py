"""SM2xx: what Kubernetes and Istio accept and what cannot work as written: warnings."""

from localmesh.problems.problem import Code

MISSING_HOST = Code(
    "SM201",
    "A route leads to a host that does not exist",
    "{found} {reason}; {effect}",
    "{remedy}",
)
MISSING_PORT = Code(
    "SM202",
    "A route leads to a port that the Service does not have",
    "{found} is not a port of {service}, which has {known}; {effect}",
    "route to one of these, or add the port to the Service",
)
MISSING_SUBSET = Code(
    "SM203",
    "A route leads to a subset that does not exist",
    "{found} is not a subset of {host}: {known}; {effect}",
    "{remedy}",
)
MISSING_GATEWAY = Code(
    "SM204",
    "A VirtualService names a Gateway that does not exist",
    "{found} is not a Gateway: there is no {name}{hint}",
    "{remedy}",
)
SUBSET_WITHOUT_PODS = Code(
    "SM205",
    "A subset selects no pods",
    "no pod of {service} has the labels {found}; its pods have {known}; requests to the subset get 503",
    "correct the labels, or deploy the workload",
)
RULE_WITHOUT_HOST = Code(
    "SM206",
    "A DestinationRule is for a host that does not exist",
    "{found} is not a Service: there is no {name}{hint}",
    "{remedy}",
)
WEIGHTS_NOT_100 = Code(
    "SM207",
    "The weights of a route do not add up to 100",
    "the weights {found} add up to {total}; Istio sends {shares}",
    "write weights that add up to 100",
)
CONFLICTING_HOSTS = Code(
    "SM208",
    "Two VirtualServices have the same host in the mesh",
    "{first} ({where}) already has the host {host}; sidecars use that one and ignore this one",
    "merge them into one VirtualService, or use delegates",
)
UNREACHABLE_ROUTE = Code(
    "SM209",
    "A route is never reached",
    "never reached: {earlier} matches {reason} first",
    "move it up, or remove it",
)
SELECTOR_WITHOUT_PODS = Code(
    "SM210",
    "The selector of a Service matches no workload",
    "no Deployment of the namespace has pods with {found}{hint}; callers get 503",
    "correct the selector, or deploy the workload",
)
MISSING_TARGET_PORT = Code(
    "SM211",
    "A target port is not a port of the pods",
    "{found} is not a port of {workload}; it has {known}",
    "name one of these, or declare the port in the container",
)
DEPRECATED_FIELD = Code(
    "SM212",
    "A field or value is deprecated",
    "{found} is deprecated{effect}",
    "write {current}",
)
MISSING_DELEGATE = Code(
    "SM213",
    "A delegate does not exist",
    "{found} is not a delegate: {reason}; the route is left out",
    "define it, correct the name, or add delegate.namespace",
)
HOST_NOT_IN_GATEWAY = Code(
    "SM214",
    "A host is not served by the Gateway",
    "{found} is not {served}; requests for it get 404",
    "{remedy}",
)
PORT_NOT_CHOSEN = Code(
    "SM215",
    "A route does not specify a port",
    "{service} has the {plural} {known} and the destination names none, while requests come in on {incoming};"
    " {effect}",
    "add destination.port.number",
)
FAULT_NEVER_FIRES = Code(
    "SM216",
    "A fault is never injected",
    "{found}, so the fault is never injected",
    "{remedy}",
)
MISSING_OBJECT = Code(
    "SM217",
    "A pod needs an object that does not exist",
    "{found} is not a {kind} of the namespace{hint}",
    "define it, correct the name, or mark the reference as optional if it may be",
)
RETRIES_WITHOUT_EFFECT = Code(
    "SM218",
    "Retries do not retry responses of the application",
    "retries has no retryOn, so neither responses of the application nor a perTryTimeout are retried",
    "add retryOn: 5xx, or the conditions that you mean",
)
POLICY_WITHOUT_PODS = Code(
    "SM219",
    "A policy selects no pods",
    "no workload in its scope has the labels {found}; {known}",
    "{remedy}",
)
DIFFERENT_HERE = Code(
    "SM220",
    "A setting has a different effect on one machine",
    "{found} has a different effect here: {reason}",
    "{remedy}",
)
NOT_INJECTED = Code(
    "SM221",
    "A namespace does not enable sidecar injection",
    "{found}: on a cluster its pods get no sidecar ({workloads})",
    "add the label istio-injection: enabled",
)
UNKNOWN_CALLER = Code(
    "SM222",
    "A policy names a caller that does not exist",
    "{found} is not a caller: {reason}",
    "{remedy}",
)
SELECTOR_WITHOUT_GATEWAY = Code(
    "SM223",
    "The selector of a Gateway matches no gateway",
    "no gateway has the labels {found}, so nothing serves this Gateway; {known}",
    "correct the labels, or deploy a gateway that has them",
)
PORT_NOT_IN_SERVICE = Code(
    "SM224",
    "A port of a Gateway cannot be reached through the gateway's Service",
    "{found} is not a port of {service}, which has {known}; {effect}",
    "use one of these ports, or add the port to the Service",
)
NEVER_MATCHES = Code(
    "SM225",
    "A value never matches",
    "{found} never matches: {reason}",
    "{remedy}",
)
CONFLICTING_SERVERS = Code(
    "SM226",
    "A server of a Gateway is ignored",
    "port {found} of {gateway} is already served by {older}: {reason}, so this server is ignored",
    "use another port or other hosts, or merge the servers",
)
PORT_NOT_NAMED = Code(
    "SM227",
    "A TCP port is named nowhere that localmesh can replace",
    "{found} makes this port of {service} TCP, and here an address takes the place of its name; {reason}",
    "write {name} in a variable, an argument or a ConfigMap of the caller; if the port speaks HTTP, name it"
    " http",
)
UNDECLARED_PORT = Code(
    "SM256",
    "A port has no declared protocol and is not HTTP",
    "the port declares no protocol, and is called as HTTP here; a pod is told {url}",
    "name the port tcp, or write appProtocol: tcp",
)
MISSING_MODULE = Code(
    "SM255",
    "The module of an extension does not exist",
    "{found} is not a file of this machine; proxies with it answer 500",
    "build or download the module, and write its path",
)
MISSING_CREDENTIAL = Code(
    "SM228",
    "A credential does not exist or cannot be used",
    "{found} is not a credential of {proxy}: {reason}; {effect}",
    "{remedy}",
)
REPLACED_OBJECT = Code(
    "SM229",
    "An object replaces one of another file",
    "replaces the one in {first}; the last one applies, as with kubectl apply",
    "remove one of them, or name the file first whose object is to be replaced",
)
SERVER_WITHOUT_ROUTES = Code(
    "SM230",
    "A server of a Gateway has no routes",
    "{found} needs {kind} routes, and no VirtualService of the Gateway has any for {hosts}{hint}; nothing"
    " listens for it",
    "{remedy}",
)
PROGRAM_MISSING = Code(
    "SM231",
    "A command exists only in the image",
    "{found} is not a program of this machine; a stub takes the container's place",
    "install the program, or remove the command",
)
POLICY_WITHOUT_REACH = Code(
    "SM232",
    "A policy is in a namespace without workloads",
    "no workload is in namespace {found}, so the policy applies to nothing; there are some in {known}",
    "set metadata.namespace to that of the workloads, or deploy them there",
)
OTHER_PROJECT = Code(
    "SM251",
    "The kind belongs to another project",
    "{found} belongs to another project; nothing here acts on it",
    "remove the object for local runs, or ignore the warning",
)
POLICY_WITHOUT_TARGET = Code(
    "SM252",
    "A policy is for a target that no proxy serves",
    "{found} is not served by a proxy: {reason}; the policy applies to nothing",
    "use selector.matchLabels to select sidecars or gateways of Istio",
)
UNKNOWN_MESH_SETTING = Code(
    "SM233",
    "A mesh-wide setting is unknown",
    '"{name}" is not a field here, so Istio ignores it; the fields are {known}',
    "{remedy}",
)
NO_EFFECT_HERE = Code(
    "SM234",
    "A mesh-wide setting has no effect on one machine",
    "no effect here: {reason}",
    "remove it for local runs, or ignore this warning",
)
BAD_PROVIDER = Code(
    "SM235",
    "An extension provider is not valid",
    "found {found}, expected {expected}",
    "{remedy}",
)
KEYS_NOT_FETCHED = Code(
    "SM236",
    "The keys of an issuer cannot be fetched",
    "the issuer's keys cannot be fetched, so all its tokens are invalid: {reason}",
    "correct the URI or start the issuer; localmesh tries again, at last every minute",
)
CONTRADICTING_DELEGATE = Code(
    "SM237",
    "A route of a delegate is outside of the match that delegates to it",
    "the matches are not all within that of {root}, which is {condition}; Istio leaves the route out",
    "repeat what the root matches, and narrow it",
)
PORT_OF_NO_POD = Code(
    "SM238",
    "A policy names a port that no pod has",
    "{found} is not a port of the selected pods, which have {known}{hint}; {effect}",
    "write the port of the container, not that of the Service; a port without a Service has to be declared",
)
BAD_AUTHORIZER = Code(
    "SM239",
    "A policy names an authorizer that cannot be used",
    "{found} cannot be asked: {reason}; everything that the policy matches is denied",
    "{remedy}",
)
UNKNOWN_PROVIDER = Code(
    "SM241",
    "A Telemetry names a provider that does not exist or has another purpose",
    "{found} is not a provider of {purpose}: {known}; it is ignored",
    "name one of these, or add it to extensionProviders in the mesh-wide settings",
)
CONDITION_FALSE = Code(
    "SM245",
    "An object of the Gateway API is not accepted, or not all of it",
    "Istio would set the condition {condition} to False, with the reason {reason}: {words}",
    "correct what the reason names; `localmesh get -o yaml` shows the whole status",
)
INGRESS_OF_OTHERS = Code(
    "SM253",
    "An Ingress is of another class, so Istio does not serve it",
    "nothing serves it: {reason}",
    "write the class of Istio, or ignore this warning if another controller serves it on the cluster",
)
UNUSED_ENDPOINTS = Code(
    "SM261",
    "Endpoints that proxies do not use",
    "{found} is not used: {reason}",
    "{remedy}",
)
