"""Generated VirtualServices, DestinationRules, Gateways and ServiceEntries with all that explain predicts."""

from __future__ import annotations

from hypothesis import strategies as st

from localmesh.tests.agreement.values import HEADERS, METHODS, string_matches, uri_matches
from localmesh.tests.analysis.meshes import (
    NAMESPACES,
    NETWORKING,
    Json,
    export_to,
    manifest,
    some_of,
)

_EDGE = "a/edge"
rarely = st.integers(0, 11).map(lambda number: number == 5)

destination_hosts = st.sampled_from(
    [
        *["x", "x.a.svc.cluster.local", "x.b.svc.cluster.local", "y.a.svc.cluster.local"] * 4,
        *("plain.b.svc.cluster.local",) * 2,
        "y",
        "x.a",
        "nobody",
        "api.example.com",
    ]
)
destinations = st.fixed_dictionaries(
    {"host": destination_hosts},
    optional={
        "subset": st.sampled_from(["v1", "v1", "v2", "v2", "v3"]),
        "port": st.sampled_from([{"number": 80}, {"number": 80}, {"number": 8080}, {"number": 81}]),
    },
)
_names = st.sampled_from(HEADERS)
_present: st.SearchStrategy[Json] = st.just({})
_query = st.one_of(string_matches, _present)
matches = some_of(
    uri=uri_matches,
    ignoreUriCase=st.booleans(),
    headers=st.dictionaries(_names, st.one_of(string_matches, _present), min_size=1, max_size=2),
    withoutHeaders=st.dictionaries(
        _names, st.one_of(string_matches, _present, st.just({"regex": "*"})), min_size=1, max_size=1
    ),
    queryParams=st.dictionaries(st.sampled_from(["page", "a"]), _query, min_size=1, max_size=1),
    method=st.sampled_from([{"exact": "GET"}, {"exact": "POST"}, {"prefix": "P"}, {"regex": "GET|PUT"}]),
    authority=st.sampled_from(
        [{"exact": "x"}, {"prefix": "x.a"}, {"exact": "shop.test"}, {"regex": ".*\\.example\\.com"}]
    ),
    scheme=st.sampled_from([{"exact": "http"}, {"exact": "https"}]),
    port=st.sampled_from([80, 80, 8080]),
    gateways=st.sampled_from([["mesh"], [_EDGE], ["mesh", _EDGE]]),
    sourceLabels=st.sampled_from([{"app": "x"}, {"app": "y"}, {"app": "x", "version": "v1"}]),
    sourceNamespace=st.sampled_from(NAMESPACES),
    name=st.sampled_from(["first", "second"]),
)


@st.composite
def _some_matches(draw: st.DrawFn) -> list[Json]:
    """One or two matches of few conditions each: those of many match nothing."""
    chosen = draw(st.lists(matches, min_size=1, max_size=2))
    for match in chosen:
        names = draw(st.permutations(sorted(match)))
        for name in names[draw(st.sampled_from((1, 1, 2, 3))) :]:
            del match[name]
    return [match or {"uri": {"prefix": "/a"}} for match in chosen]


_header_values = st.sampled_from(
    [
        *("set", "b c", "100%%", "%REQ(:METHOD)%", "%REQ(x-group)%", "%REQ(x-none)%x"),
        *("%REQ(x-none?end-user)%", "%REQ(x-group):2%", "%PROTOCOL%", "%REQ(:PATH)%", "%START_TIME(%s)%"),
    ]
)
_hosts = st.dictionaries(st.sampled_from(["host", "Host", ":authority"]), st.just("set.test"), min_size=1)
_operations = some_of(
    set=st.one_of(
        *[st.dictionaries(st.sampled_from(["x-set", "end-user", "X-Group"]), _header_values, max_size=2)] * 6,
        _hosts,
    ),
    add=st.dictionaries(st.sampled_from(["x-add", "end-user", "x-set"]), _header_values, max_size=2),
    remove=st.lists(st.sampled_from(["x-group", "End-User", "x-none"]), max_size=2, unique=True),
)
_response_operations = some_of(
    set=st.dictionaries(st.sampled_from(["x-set", "server", "content-type"]), _header_values, max_size=2),
    add=st.dictionaries(st.sampled_from(["x-add", "x-set"]), _header_values, max_size=2),
    remove=st.lists(st.sampled_from(["x-set", "content-type"]), max_size=1),
)
header_operations = some_of(request=_operations, response=_response_operations)

_shares = st.sampled_from([(80, 20), (0, 100), (50, 50), (1, 1), (100, 0)])
_rewrites = st.one_of(
    st.fixed_dictionaries({"uri": st.sampled_from(["/", "/new", "/new/"])}),
    st.fixed_dictionaries({"authority": st.sampled_from(["other.test", "x.b"])}),
    st.just({"uri": "/both", "authority": "both.test"}),
    st.sampled_from([("/items/([0-9]+)", "/\\1/of"), ("a", "z"), ("^/(.*)$", "/v2/\\1")]).map(
        lambda pair: {"uriRegexRewrite": {"match": pair[0], "rewrite": pair[1]}}
    ),
)
_redirects = st.fixed_dictionaries(
    {"authority": st.sampled_from(["moved.test", "x.b"])},
    optional={
        "uri": st.sampled_from(["/moved", "/", "/moved?q=1"]),
        "scheme": st.sampled_from(["http", "https"]),
        "redirectCode": st.sampled_from([301, 302, 303, 307, 308]),
    },
)
_redirected_ports = st.one_of(
    st.fixed_dictionaries({"port": st.sampled_from([80, 443, 9090])}),
    st.fixed_dictionaries({"derivePort": st.sampled_from(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"])}),
)
_responses = st.one_of(
    st.fixed_dictionaries(
        {"status": st.sampled_from([200, 404, 418, 503])},
        optional={"body": st.sampled_from([{"string": "fixed"}, {"bytes": "Zml4ZWQ="}])},
    ),
    # Envoy would send a body of a 204 too, which breaks the connection to a proxy that has asked it
    st.just({"status": 204}),
)
_percentages = st.sampled_from([{"value": 100}, {"value": 100}, {"value": 0}, {"value": 50}, {"value": 0.01}])
_aborts = st.fixed_dictionaries(
    {"httpStatus": st.sampled_from([418, 503, 400])}, optional={"percentage": _percentages}
)
_delays = st.fixed_dictionaries({"fixedDelay": st.just("1ms")}, optional={"percentage": _percentages})
_faults = st.one_of(
    st.fixed_dictionaries({"abort": _aborts}),
    st.fixed_dictionaries({"delay": _delays}),
    st.fixed_dictionaries({"abort": _aborts, "delay": _delays}),
)
_cors = st.fixed_dictionaries(
    {"allowOrigins": st.sampled_from([[{"exact": "http://a.test"}], [{"regex": "http://.*"}]])},
    optional={
        "allowMethods": st.sampled_from([["GET"], list(METHODS), ["*"]]),
        "allowHeaders": st.sampled_from([["x-group"], ["*"]]),
        "exposeHeaders": st.just(["x-set"]),
        "allowCredentials": st.booleans(),
        "maxAge": st.just("24h"),
        "unmatchedPreflights": st.sampled_from(["FORWARD", "IGNORE"]),
    },
)
_mirrors = st.fixed_dictionaries({"destination": destinations}, optional={"percentage": _percentages})
_extras = some_of(
    headers=header_operations,
    rewrite=_rewrites,
    fault=_faults,
    corsPolicy=_cors,
    timeout=st.just("90s"),
    retries=st.sampled_from([{"attempts": 2, "retryOn": "5xx"}, {"attempts": 0}]),
    mirrors=st.lists(_mirrors, min_size=1, max_size=1),
)


@st.composite
def routes(draw: st.DrawFn, *, delegating: bool, last: bool) -> Json:
    """A route of any kind; most of the last ones have no match."""
    route: Json = {}
    if not (last and draw(st.sampled_from((True, True, False)))):
        route["match"] = draw(_some_matches())
    if draw(st.booleans()):
        route["name"] = draw(st.sampled_from(["one", "two"]))
    if delegating and draw(rarely):
        delegate = {"name": draw(st.sampled_from("de")), "namespace": draw(st.sampled_from(NAMESPACES))}
        return {**route, "delegate": delegate}
    kind = draw(st.sampled_from(["route"] * 6 + ["redirect", "directResponse"]))
    if kind == "redirect":
        port = draw(_redirected_ports) if draw(st.booleans()) else {}
        return {**route, "redirect": {**draw(_redirects), **port}, **draw(some_of(headers=header_operations))}
    if kind == "directResponse":
        return {**route, "directResponse": draw(_responses), **draw(some_of(headers=header_operations))}
    return {**route, "route": draw(_weighted()), **_few(draw, draw(_extras))}


def _few(draw: st.DrawFn, fields: Json) -> Json:
    """At most three of the fields, mostly fewer."""
    return {name: value for name, value in list(fields.items())[:3] if draw(st.booleans())}


@st.composite
def _weighted(draw: st.DrawFn) -> list[Json]:
    targets = draw(st.lists(destinations, min_size=1, max_size=2))
    changing = draw(st.sampled_from((False, False, True)))
    headers = [draw(some_of(headers=header_operations)) if changing else {} for _ in targets]
    if len(targets) == 1:
        return [{"destination": targets[0], **headers[0]}]
    weights = draw(_shares)
    return [
        {"destination": target, "weight": weight, **operations}
        for target, weight, operations in zip(targets, weights, headers, strict=True)
    ]


virtual_service_hosts = st.lists(
    st.sampled_from(
        [
            *("x", "x", "y", "x.a.svc.cluster.local", "x.b.svc.cluster.local", "*.a.svc.cluster.local"),
            *("api.example.com", "*.example.com", "shop.test", "shop.test"),
        ]
    ),
    min_size=1,
    max_size=2,
    unique=True,
)
gateways = st.sampled_from([["mesh"], ["mesh", _EDGE], ["mesh", _EDGE], [_EDGE], [_EDGE, "b/side"]])


@st.composite
def virtual_services(draw: st.DrawFn) -> Json:
    """A VirtualService of up to four routes, for the mesh, the gateway or both."""
    count = draw(st.sampled_from((1, 2, 3, 4)))
    spec = {
        "hosts": draw(virtual_service_hosts),
        "gateways": draw(gateways),
        "http": [draw(routes(delegating=True, last=number == count - 1)) for number in range(count)],
        **(draw(some_of(exportTo=export_to)) if draw(rarely) else {}),
    }
    namespace = draw(st.sampled_from(NAMESPACES))
    return manifest(NETWORKING, "VirtualService", namespace, draw(st.sampled_from("vwz")), spec=spec)


@st.composite
def delegates(draw: st.DrawFn) -> Json:
    """A VirtualService to which others delegate."""
    spec = {
        "http": draw(st.lists(routes(delegating=False, last=True), min_size=1, max_size=2)),
        **(draw(some_of(exportTo=export_to)) if draw(rarely) else {}),
    }
    namespace = draw(st.sampled_from(NAMESPACES))
    return manifest(NETWORKING, "VirtualService", namespace, draw(st.sampled_from("de")), spec=spec)


_SUBSETS = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2", "v3")]
_client_tls = st.sampled_from([{"mode": mode} for mode in ("DISABLE", "ISTIO_MUTUAL", "SIMPLE")])
_policies = some_of(
    tls=_client_tls,
    portLevelSettings=st.builds(lambda tls: [{"port": {"number": 80}, "tls": tls}], _client_tls),
    loadBalancer=st.sampled_from(
        [{"simple": "ROUND_ROBIN"}, {"consistentHash": {"httpHeaderName": "end-user"}}]
    ),
    connectionPool=st.just({"http": {"maxRequestsPerConnection": 1}}),
)


@st.composite
def destination_rules(draw: st.DrawFn) -> Json:
    """Subsets of a host, mostly all of them, and a traffic policy."""
    host = "*.a.svc.cluster.local" if draw(rarely) else draw(destination_hosts)
    spec: Json = {"host": host, "subsets": draw(st.sampled_from([_SUBSETS, _SUBSETS[:2]]))}
    if draw(st.booleans()):
        spec["trafficPolicy"] = draw(_policies.filter(bool))
    if draw(rarely):
        spec["subsets"] = [{**subset, "trafficPolicy": draw(_policies)} for subset in spec["subsets"]]
    if draw(rarely):
        spec |= draw(some_of(exportTo=export_to))
    namespace = draw(st.sampled_from(NAMESPACES))
    return manifest(NETWORKING, "DestinationRule", namespace, draw(st.sampled_from("rst")), spec=spec)


SUBSETS = [
    manifest(
        NETWORKING, "DestinationRule", namespace, f"{name}-subsets", spec={"host": name, "subsets": _SUBSETS}
    )
    for namespace, name in (("a", "x"), ("a", "y"), ("b", "x"))
]
"""Subsets of every Service, for the many meshes whose routes should lead somewhere."""


_HOSTS_INSIDE = ("y.a.svc.cluster.local", "x.a.svc.cluster.local")
_INSIDE = st.builds(
    lambda addresses, version, resolution: {
        "resolution": resolution,
        "endpoints": [
            {"address": address, "ports": {"http": 80}, "labels": {"version": version}}
            for address in addresses
        ],
    },
    st.sampled_from([[*_HOSTS_INSIDE[:1]], [*_HOSTS_INSIDE[1:]], [*_HOSTS_INSIDE]]),
    st.sampled_from(["v1", "v3"]),
    st.sampled_from(["DNS", "DNS", "DNS_ROUND_ROBIN"]),
)
_SELECTED = st.sampled_from([{"app": "x"}, {"app": "y"}, {"app": "x", "version": "v2"}]).map(
    lambda labels: {"resolution": "STATIC", "workloadSelector": {"labels": labels}}
)
_LOOKED_UP = st.just({"resolution": "NONE"})


@st.composite
def service_entries(draw: st.DrawFn) -> Json:
    """An external host that pods of the mesh stand in for, or one that the mesh must look up."""
    endpoints = draw(st.one_of(_INSIDE, _SELECTED, _LOOKED_UP))
    port = {"number": draw(st.sampled_from([80, 8080])), "name": "http", "protocol": "HTTP"}
    if "workloadSelector" in endpoints:
        port["targetPort"] = 8080
    spec: Json = {
        "hosts": draw(st.sampled_from([["api.example.com"], ["api.example.com", "www.example.com"]])),
        "location": draw(st.sampled_from(["MESH_EXTERNAL", "MESH_INTERNAL"])),
        "ports": [port],
        **endpoints,
        **(draw(some_of(exportTo=export_to)) if draw(rarely) else {}),
    }
    return manifest(
        NETWORKING, "ServiceEntry", draw(st.sampled_from(NAMESPACES)), draw(st.sampled_from("ef")), spec=spec
    )


@st.composite
def services(draw: st.DrawFn) -> Json:
    """Another Service for the same pods, with ports of several protocols."""
    ports = draw(
        st.sampled_from(
            [
                [("http", 80)],
                [("any", 8080)],
                *[[("tcp", 9090), ("http", 80)]] * 2,
                [("http-a", 80), ("http-b", 9090)],
            ]
        )
    )
    exported = draw(st.sampled_from(["", "", "*", ".", "a", "b"]))
    entries = [{"name": name, "port": number, "targetPort": 8080} for name, number in ports]
    annotations = {"networking.istio.io/exportTo": exported} if exported else {}
    spec = {"selector": {"app": draw(st.sampled_from("xy"))}, "ports": entries}
    return manifest(
        *("v1", "Service", draw(st.sampled_from(NAMESPACES)), draw(st.sampled_from(["z", "y", "y"]))),
        metadata={"annotations": annotations},
        spec=spec,
    )
