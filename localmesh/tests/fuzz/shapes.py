"""Objects that the schemas allow, with typical values: most are almost valid, some are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from hypothesis import strategies as st

from localmesh.kinds import Kind
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.gateway_api import HTTP_ROUTE
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.kinds.sidecar import SIDECAR
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.tests.security.tokens import jwks

Schema = Mapping[str, Any]
Strategy = st.SearchStrategy[Any]

ODD_SHARE = 15
"""About one value in this many is likely to be wrong."""


# hypothesis prefers the ends of a range, so a number in the middle of it is rare
_RARELY = st.integers(0, ODD_SHARE).map(lambda number: number == ODD_SHARE // 2)


class _Values:
    """Values that are right for most fields with a name, and some that are not."""

    def __init__(self, right: list[Any], odd: list[Any]) -> None:
        self.right, self.odd = right, odd

    def strategy(self) -> Strategy:
        """One of them, and rarely an odd one."""
        return _RARELY.flatmap(
            lambda rarely: st.sampled_from(self.odd if rarely and self.odd else self.right)
        )


WORDS = _Values(
    ["a", "v1", "x-user", "a.b", "Xy_1", "1"], ["", "a b", "é", "%", "*", "{}", "a,b", "\0", "🙂", "%%"]
)
PATHS = _Values(
    ["/", "/a", "/a/b", "/%41", "//"], ["a", "/{id}", "/a b", "/é", "*", "", "/a?b=c", "/a#b", "{x=*}"]
)
REGEXES = _Values(
    [".*", "/a/(b|c)", "[0-9]+", "a{2,4}", "(?i)a", "\\d+", "^x$"],
    ["(", "*", "(?=a)", "a{1000}", "", "\\1", "[", "(?P<n>a)"],
)
DURATIONS = _Values(
    ["1s", "1.5s", "100ms", "1h", "1ms", "24h30m"],
    ["0s", "1ns", "-1s", "5", "0.0005s", "1000000h", "10us", ""],
)
WHOLE = _Values([1, 2, 3, 5, 80, 100], [0, -1, 1024, 65535, 65536, 2**31 - 1, 2**32 - 1, 503])
SHARES = _Values([0.5, 1, 10, 33.3, 50, 100], [0, 99.9999, 0.0001, 100.1, -1, 1e-9, 1e300])
HOSTS = _Values(
    ["web", "web.shop.svc.cluster.local", "other"], ["nobody", "*", "", "a_b", "web.", "WEB", "1.2.3.4"]
)
STATUSES = _Values([200, 301, 400, 404, 503], [100, 199, 204, 304, 599, 600, 0, 99, -1])
HEADERS = _Values(
    ["x-user", "X-User", "end-user", "a", "x_y"], ["", "x y", ":path", "Host", "é", "*", "@a", "x:"]
)

BY_NAME: Mapping[str, _Values] = {
    "host": HOSTS,
    "hosts": _Values(
        ["web", "other", "shop.example.com", "*.example.com", "web.shop"], ["*", "", "a b", "web:80", "[::1]"]
    ),
    "gateways": _Values(["mesh", "edge", "shop/edge"], ["nowhere", "", "a/b/c"]),
    "subset": _Values(["v1", "v2"], ["v3", "", "a b"]),
    "subsets.name": _Values(["v1", "v2", "v3", "long-name"], ["", "a b", "a|b", "é"]),
    "exportTo": _Values(["*", ".", "shop"], ["", "~"]),
    "namespace": _Values(["shop"], ["other", ""]),
    "uri": PATHS,
    "path": PATHS,
    "prefix": PATHS,
    "exact": _Values(["/", "/a", "GET", "web", "*"], ["", "é", "\0"]),
    "authority": _Values(["web", "shop.example.com", "web:80"], ["a b", "", "é"]),
    "scheme": _Values(["http", "https"], ["ftp", ""]),
    "regex": REGEXES,
    "match": REGEXES,
    "rewrite": _Values(["/new", "\\1", "/\\0/x", ""], ["\\9", "\\", "é"]),
    "retryOn": _Values(
        ["5xx", "503", "gateway-error", "connect-failure,503", "5xx,429"],
        ["nonsense", "", " 5xx", "5xx,", "99", "1000"],
    ),
    "allowMethods": _Values(["GET", "POST"], ["*", "get", ""]),
    "allowHeaders": HEADERS,
    "exposeHeaders": HEADERS,
    "remove": HEADERS,
    "httpHeaderName": HEADERS,
    "{}": HEADERS,
    "status": STATUSES,
    "httpStatus": STATUSES,
    "redirectCode": _Values([301, 302, 303, 307, 308], [300, 304, 0, 200]),
    "string": _Values(["hello", "é" * 20], ["", "%REQ(X)%", "\0"]),
    "ttl": DURATIONS,
    "idleTimeout": DURATIONS,
    "sni": _Values(["web.example.com"], ["", "a b", "é"]),
    "subjectAltNames": _Values(["spiffe://cluster.local/ns/shop/sa/web"], ["", "é"]),
    "number": _Values([80, 9000], [0, 65536, 81]),
    "port": _Values([80, 9000], [0, 65536, 81]),
    "tableSize": _Values([1021, 65537], [0, 1024, 2, 10_000_019]),
    "to.{}": _Values([100, 100, 100, 60], [0, 101]),
    "distribute.from": _Values(["europe", "europe/a", "*"], ["", "europe//a", "*/a"]),
    "failover.from": _Values(["europe", "asia"], ["europe/a", "*", ""]),
    "failover.to": _Values(["america", "asia"], ["europe", "*"]),
    "failoverPriority": _Values(["version", "app=web"], ["topology.kubernetes.io/zone", ""]),
    "grpcStatus": _Values(["UNAVAILABLE", "OK"], ["unavailable", "14", ""]),
    "budgetInterval": DURATIONS,
    "minimumRingSize": _Values([1, 1024], [0, 8388608, 8388609]),
    "servers.hosts": _Values(
        ["web.shop.svc.cluster.local", "*.example.com", "*", "shop/shop.example.com"], ["a b", "", "/*"]
    ),
    "selector.{}": _Values(["ingressgateway"], ["other", ""]),
    "protocol": _Values(["HTTP", "HTTP", "HTTP2", "GRPC", "HTTPS", "TCP", "TLS"], ["UDP", "http", ""]),
    "port.name": _Values(["http", "http-web", "tcp-a"], ["", "a b"]),
    "ports.name": _Values(["http", "http-web", "tcp-a", "https"], ["", "a b"]),
    "ports.number": _Values([80, 443, 9000], [0, 65536]),
    "ports.targetPort": _Values([80, 8080], [0, 65536]),
    "bind": _Values(["127.0.0.1", "0.0.0.0"], ["a", "", "::1"]),
    "addresses": _Values(["10.0.0.1", "10.1.0.0/16"], ["a", "", "::1"]),
    "address": _Values(["10.0.0.1", "db.example.com"], ["a b", "", "::1"]),
    "egress.hosts": _Values(
        ["./*", "*/*", "shop/web.shop.svc.cluster.local", "istio-system/*", "~/*"], ["*", "", "a b/*"]
    ),
    "principals": _Values(["cluster.local/ns/shop/sa/web", "*", "*/web", "cluster.local/*"], ["", "a*b"]),
    "namespaces": _Values(["shop", "*", "sh*"], [""]),
    "serviceAccounts": _Values(["shop/web", "web"], ["*", ""]),
    "ipBlocks": _Values(["10.0.0.0/8", "1.2.3.4"], ["a", "", "::/0"]),
    "remoteIpBlocks": _Values(["10.0.0.0/8", "1.2.3.4"], ["a", ""]),
    "ports": _Values(["80", "8080"], ["0", "a", ""]),
    "methods": _Values(["GET", "POST", "*", "G*"], [""]),
    "paths": _Values(["/", "/a*", "*/b", "*", "/{*}/a", "/{**}"], ["", "a*b", "/{x}"]),
    "when.key": _Values(
        [
            "request.headers[x-user]",
            "source.ip",
            "source.namespace",
            "request.auth.claims[a]",
            "connection.sni",
        ],
        ["", "nothing", "request.headers[]"],
    ),
    "issuer": _Values(["https://a.example", "b"], [""]),
    "jwks": _Values([jwks()], ["{}", "", "a"]),
    "jwksUri": _Values(["https://a.example/keys"], ["a", ""]),
    "claim": _Values(["sub", "a.b"], [""]),
    "parentRefs.name": _Values(["api"], ["nowhere", ""]),
    "backendRefs.name": _Values(["web", "other"], ["nowhere"]),
    "hostnames": _Values(["shop.example.com", "*.example.com"], ["*", "a b"]),
    "replaceFullPath": PATHS,
    "replacePrefixMatch": PATHS,
    "statusCode": _Values([301, 302], [303, 200]),
    "requestTimeout": DURATIONS,
}
KEYS: Mapping[str, _Values] = {
    "labels": _Values(["app", "version", "a.b/c"], ["", "x y", "é"]),
    "sourceLabels": _Values(["app", "version"], ["", "x y"]),
    "to": _Values(["europe/a/*", "europe", "asia/b"], ["*", "", "a/*/b"]),
    "queryParams": _Values(["a", "b"], ["", "é", "a b"]),
    "selector": _Values(["istio"], ["app", ""]),
    "endpoints.ports": _Values(["http"], ["", "a b"]),
    "ports": _Values(["http", "tcp-a"], ["a b"]),
}
EXCLUSIVE: Mapping[str, list[list[str]]] = {
    "http": [
        ["route", "route", "route", "redirect", "directResponse"],
        ["mirror", "mirrors"],
        ["retries", "fault"],
    ],
    "rewrite": [["uri", "uriRegexRewrite"]],
    "redirect": [["port", "derivePort"], ["uri", "prefixRewrite"]],
    "fault": [["abort", "delay"]],
    "jwtRules": [["jwks", "jwks", "jwks", "jwksUri"]],
    "spec": [["endpoints", "workloadSelector"]],
}
"""Groups of fields of which at most one is set, by the name of their parent; a repeated one is likelier."""
TOGETHER: Mapping[str, set[str]] = {
    "uriRegexRewrite": {"match", "rewrite"},
    "redirect": {"authority"},
    "spec": {"host", "hosts", "http", "servers", "ports", "egress", "parentRefs", "resolution"},
    "servers": {"port", "hosts"},
    "ports": {"number", "name", "protocol"},
    "egress": {"hosts"},
    "endpoints": {"address"},
    "from": {"source"},
    "to": {"operation"},
    "when": {"key", "values"},
    "jwtRules": {"issuer"},
    "parentRefs": {"name"},
    "backendRefs": {"name", "port"},
    "http": {"route"},
    "route": {"destination", "weight"},
    "mirrors": {"destination"},
    "destination": {"host"},
    "mirror": {"host"},
    "port": {"number", "name", "protocol"},
    "portLevelSettings": {"port"},
    "abort": {"httpStatus"},
    "delay": {"fixedDelay"},
    "subsets": {"name"},
    "attributes": {"name"},
}
"""Fields that are always set, by the name of their parent."""
ROUTE_ONLY = {
    "fault",
    "rewrite",
    "mirror",
    "mirrors",
    "mirrorPercent",
    "mirrorPercentage",
    "retries",
    "timeout",
}
"""Fields of a route that are valid only with destinations."""
UNIQUE = {"hosts", "subsets", "exportTo"}
"""Lists without duplicates."""
RARE = {
    "delegate",
    "exportTo",
    "tls",
    "sourceNamespace",
    "http2Error",
    "exponentialDelay",
    "minimumRingSize",
    "provider",
    "targetRef",
    "targetRefs",
    "selector",
    "outputClaimToHeaders",
    "sectionName",
    "filters",
    "targetPort",
}
"""Fields that make almost every object invalid or empty, and so are rarely set."""


KINDS = (
    VIRTUAL_SERVICE,
    DESTINATION_RULE,
    GATEWAY,
    SERVICE_ENTRY,
    SIDECAR,
    AUTHORIZATION_POLICY,
    REQUEST_AUTHENTICATION,
    HTTP_ROUTE,
)
_KINDS = {kind.name: kind for kind in KINDS}


def objects(kind: Kind) -> Strategy:
    """Specs of a kind of Istio."""
    name = "gateway_api.json" if kind is HTTP_ROUTE else "istio.json"
    source = json.loads((files("localmesh.manifests") / "schemas" / name).read_text())
    definitions = source["$defs"]
    schema = definitions[source["kinds"][f"{kind.api_versions[0]}/{kind.name}"]]["properties"]["spec"]
    return _values(_resolved(schema, definitions), (kind.name, "spec"))


def _resolved(schema: Any, definitions: Schema) -> Any:
    """A schema with what its references name in their place."""
    if isinstance(schema, list):
        return [_resolved(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    return {name: _resolved(below, definitions) for name, below in schema.items()}


def _values(schema: Schema, path: tuple[str, ...]) -> Strategy:
    known = _KINDS[path[0]].supported_values.get(_field(path))
    if known:
        return st.sampled_from(known)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = next(name for name in kind if name != "null")
    if kind == "object":
        return _mapping(schema, path)
    if kind == "array":
        most = 2 if path[-1] in ("http", "match") else 3
        unique = _identity if path[-1] in UNIQUE else None
        below = _values(schema["items"], (*path, "[]"))
        return st.lists(below, min_size=1, max_size=most, unique_by=unique)
    return _scalar(kind, schema, path)


def _identity(value: Any) -> str:
    return str(value.get("name", value)) if isinstance(value, dict) else str(value)


def _field(path: tuple[str, ...]) -> str:
    return ".".join(path[1:]).replace(".[]", "[]")


def _scalar(kind: str, schema: Schema, path: tuple[str, ...]) -> Strategy:
    names = [part for part in path if part != "[]"]
    if kind == "boolean":
        return st.booleans()
    if kind == "number":
        return SHARES.strategy()
    if schema.get("format") == "go-duration":
        return DURATIONS.strategy()
    if schema.get("format") == "byte":
        return st.sampled_from(["aGVsbG8=", "not base64"])
    default = WHOLE if kind == "integer" else WORDS
    values = BY_NAME.get(".".join(names[-2:])) or BY_NAME.get(names[-1], default)
    fitting = [_fitting(each, kind, schema) for each in (values, default)]
    known = next((each.strategy() for each in fitting if each.right), None)
    return known if known is not None else st.integers(schema.get("minimum"), schema.get("maximum"))


def _fitting(values: _Values, kind: str, schema: Schema) -> _Values:
    return _Values(
        *([item for item in part if _fits(item, kind, schema)] for part in (values.right, values.odd))
    )


def _fits(value: Any, kind: str, schema: Schema) -> bool:
    if kind == "string":
        return isinstance(value, str)
    return isinstance(value, int) and bool(
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
    )


def _mapping(schema: Schema, path: tuple[str, ...]) -> Strategy:
    if "properties" not in schema:
        below = schema.get("additionalProperties") or {"type": "string"}
        keys = KEYS.get(path[-1], HEADERS).strategy()
        return st.dictionaries(keys, _values(below, (*path, "{}")), min_size=1, max_size=2)
    unsupported = _KINDS[path[0]].unsupported_fields
    fields = {
        name: _values(below, (*path, name))
        for name, below in schema["properties"].items()
        if _field((*path, name)) not in unsupported
    }
    name = next(part for part in reversed(path) if part != "[]")
    groups = _alternatives(schema) + EXCLUSIVE.get(name, [])
    return _some_of(fields, TOGETHER.get(name, set()) | set(schema.get("required", ())), groups)


def _alternatives(schema: Schema) -> list[list[str]]:
    """Groups of fields of which at most one can be set."""
    choices = [schema["oneOf"]] if "oneOf" in schema else []
    choices += [alternative["oneOf"] for alternative in schema.get("allOf", ()) if "oneOf" in alternative]
    return [[name for alternative in group for name in alternative.get("required", ())] for group in choices]


@st.composite
def _some_of(
    draw: st.DrawFn, fields: Mapping[str, Strategy], wanted: set[str], groups: list[list[str]]
) -> dict[str, Any]:
    names = [name for name in fields if name not in RARE or draw(_RARELY)]
    taken: set[str] = set()
    for group in () if draw(_RARELY) else groups:
        one = draw(st.sampled_from([name for name in group if name in fields] or [""]))
        names = [name for name in names if name == one or name not in group]
        taken.add(one)
    if taken & {"redirect", "directResponse"}:
        names = [name for name in names if name not in ROUTE_ONLY]
    always = (wanted | taken) & set(names)
    others = [name for name in names if name not in always]
    fewest = 0 if always else 1
    chosen = (
        draw(st.lists(st.sampled_from(others), min_size=fewest, max_size=3, unique=True)) if others else []
    )
    return {name: draw(fields[name]) for name in names if name in {*chosen, *always}}
