"""Generated policies: who may call whom, with which tokens, and how the connection is secured."""

from __future__ import annotations

from hypothesis import strategies as st

from localmesh.tests.agreement.values import GROUPS, METHODS
from localmesh.tests.analysis.meshes import NAMESPACES, ROOT, Json, manifest, some_of
from localmesh.tests.security.tokens import ISSUER, jwks

SECURITY = "security.istio.io/v1"
OTHER_ISSUER = "https://other.example.com"
AUDIENCE = "shop"

_selectors: st.SearchStrategy[Json] = st.sampled_from(
    [
        {},
        {"app": "x"},
        {"app": "y"},
        {"app": "x", "version": "v2"},
        {"istio": "ingressgateway"},
        {"istio": "egressgateway"},
    ]
).map(lambda labels: {"selector": {"matchLabels": labels}} if labels else {})
_namespaces = st.sampled_from([*NAMESPACES, *NAMESPACES, ROOT])


def _some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


_principals = _some(
    *("cluster.local/ns/a/sa/x", "cluster.local/ns/a/sa/y", "cluster.local/ns/a/*", "*/sa/x", "*"),
    "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account",
    "cluster.local/ns/istio-system/sa/istio-egressgateway-service-account",
)
_tokens = _some(f"{ISSUER}/joe", f"{ISSUER}/*", "*/joe", "*")
_sources = st.one_of(
    some_of(
        principals=_principals,
        notPrincipals=_principals,
        namespaces=_some("a", "b", "istio-system", "*"),
        notNamespaces=_some("a", "b", "i*"),
        requestPrincipals=_tokens,
        notRequestPrincipals=_tokens,
    ),
    some_of(serviceAccounts=_some("x", "a/y", "b/x"), notServiceAccounts=_some("a/x", "y")),
)
_paths = _some("/a", "/a/*", "*", "*/b", "/items/{*}", "/{**}", "/items/*")
_hosts = _some("x", "x.a", "x.a.svc.cluster.local", "shop.test", "*.example.com", "x*", "X", "x.a:*")
_operations = some_of(
    paths=_paths,
    notPaths=_paths,
    methods=_some(*METHODS[:3], "P*"),
    notMethods=_some(*METHODS[:3]),
    hosts=_hosts,
    notHosts=_hosts,
    ports=_some("8080", "80"),
    notPorts=_some("8080", "80"),
)
_keys = st.sampled_from(
    [
        ("request.headers[end-user]", ("tester", "test*", "*", "*er")),
        ("request.headers[X-Group]", ("7", "a b")),
        ("request.auth.claims[group]", (*GROUPS, "ad*")),
        ("request.auth.claims[iss]", (ISSUER,)),
        ("request.auth.claims[nested][group]", GROUPS),
        ("request.auth.principal", (f"{ISSUER}/joe", "*")),
        ("request.auth.audiences", (AUDIENCE, "other")),
        ("request.auth.presenter", ("client", "other")),
        ("source.namespace", (*NAMESPACES,)),
        ("source.principal", ("cluster.local/ns/a/sa/x", "*/y")),
        ("request.auth.claims[scope]", ("read", "write", "read write")),
        ("connection.sni", ("outbound_.80_._.x.a.svc.cluster.local", "*.local", "*v2_.*")),
        ("source.serviceAccount", ("x", "a/y")),
        ("source.trustDomain", ("cluster.local", "other.*")),
        ("destination.port", ("8080", "80")),
        ("source.ip", ("0.0.0.0/0", "192.168.0.0/16")),
        ("remote.ip", ("0.0.0.0/0", "192.168.0.0/16")),
    ]
)


@st.composite
def _conditions(draw: st.DrawFn) -> Json:
    key, values = draw(_keys)
    block = draw(st.sampled_from(["values", "values", "notValues"]))
    return {"key": key, block: draw(_some(*values))}


@st.composite
def _rules(draw: st.DrawFn) -> Json:
    """A rule with one or two of its parts, and rarely the empty one, which every request matches."""
    parts = draw(st.sampled_from([(), *[("from",), ("to",), ("when",), ("from", "to"), ("to", "when")] * 3]))
    rule: Json = {}
    if "from" in parts:
        rule["from"] = [{"source": _few(draw, draw(_sources.filter(bool)))}]
    if "to" in parts:
        rule["to"] = [{"operation": _few(draw, draw(_operations.filter(bool)))}]
    if "when" in parts:
        rule["when"] = draw(st.lists(_conditions(), min_size=1, max_size=2))
    return rule


def _few(draw: st.DrawFn, fields: Json) -> Json:
    """One or two of the fields: more are rarely all true."""
    chosen = draw(st.lists(st.sampled_from(list(fields)), min_size=1, max_size=2, unique=True))
    return {name: fields[name] for name in chosen}


@st.composite
def authorization_policies(draw: st.DrawFn) -> Json:
    """A policy that allows or denies."""
    action = draw(st.sampled_from(["ALLOW", "ALLOW", "DENY", "AUDIT"]))
    spec = {**draw(_selectors), "action": action, "rules": draw(st.lists(_rules(), min_size=1, max_size=2))}
    name, annotations = draw(st.sampled_from("pq")), {}
    if action != "AUDIT" and draw(st.integers(0, 15)) == 7:
        annotations = {"istio.io/dry-run": "true"}
    metadata = {"annotations": annotations}
    return manifest(SECURITY, "AuthorizationPolicy", draw(_namespaces), name, metadata=metadata, spec=spec)


_jwt_rules = st.fixed_dictionaries(
    {"issuer": st.sampled_from([ISSUER, ISSUER, OTHER_ISSUER]), "jwks": st.builds(jwks)},
    optional={
        "audiences": st.sampled_from([[AUDIENCE], ["other"]]),
        "forwardOriginalToken": st.booleans(),
        "fromHeaders": st.sampled_from([[{"name": "x-token"}], [{"name": "x-token", "prefix": "Token "}]]),
        "fromParams": st.just(["token"]),
        "fromCookies": st.just(["token"]),
        "spaceDelimitedClaims": st.just(["group"]),
        "outputPayloadToHeader": st.just("x-payload"),
        "outputClaimToHeaders": st.just([{"header": "x-claim-group", "claim": "group"}]),
    },
)


@st.composite
def request_authentications(draw: st.DrawFn) -> Json:
    """Rules for tokens of one or two issuers."""
    spec = {**draw(_selectors), "jwtRules": draw(st.lists(_jwt_rules, min_size=1, max_size=2))}
    return manifest(
        SECURITY, "RequestAuthentication", draw(_namespaces), draw(st.sampled_from("tu")), spec=spec
    )


_modes = st.sampled_from([{"mode": mode} for mode in ("STRICT", "PERMISSIVE", "DISABLE", "UNSET")])


@st.composite
def peer_authentications(draw: st.DrawFn) -> Json:
    """A mode of mTLS for the mesh, a namespace or a workload, and for one port of it."""
    spec: Json = {**draw(_selectors), "mtls": draw(_modes)}
    if "selector" in spec and draw(st.booleans()):
        spec["portLevelMtls"] = {"8080": draw(_modes)}
    return manifest(SECURITY, "PeerAuthentication", draw(_namespaces), draw(st.sampled_from("mn")), spec=spec)
