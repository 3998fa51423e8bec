"""HTTPRoutes are read as the routes that Istio makes of them."""

from __future__ import annotations

from typing import Any

from loadgen.meshstate import Call, MeshApi, Resources
from loadgen.meshstate.gateway_api import virtual_services_of
from loadgen.meshstate.gateway_api_filters import operations
from loadgen.meshstate.routes import edge_route, mesh_route
from loadgen.tests.servers import always, answer, json_answer, serving

NAMESPACE = "sentimesh"


def _resources(*rules: dict[str, Any], parent: dict[str, str] | None = None) -> Resources:
    spec = {"parentRefs": [parent or {"kind": "Service", "name": "logic"}], "rules": list(rules)}
    route = {"metadata": {"name": "logic", "namespace": NAMESPACE}, "spec": spec}
    return Resources(NAMESPACE, virtual_services=tuple(virtual_services_of([route])))


def _to(name: str, **fields: Any) -> dict[str, Any]:
    return {"backendRefs": [{"name": name, "port": 80}], **fields}


def test_a_cluster_without_the_gateway_api_does_not_serve_it() -> None:
    """It answers as for any path that it does not know, without a Status object."""
    unknown, listed = answer(404, b"404 page not found\n"), json_answer(200, {"items": []})

    for given, expected in ((unknown, False), (listed, True)):
        with serving(always(given)) as url, MeshApi(url, NAMESPACE) as api:
            assert api.serves("gateway.networking.k8s.io/v1", "httproutes") is expected


def test_the_most_specific_match_takes_precedence_over_the_order_of_the_rules() -> None:
    """An exact path, then the longer prefix, then the one with a header."""
    resources = _resources(
        _to("any"),
        _to("header", matches=[{"headers": [{"name": "user", "value": "me"}]}]),
        _to("prefix", matches=[{"path": {"value": "/a"}}]),
        _to("exact", matches=[{"path": {"type": "Exact", "value": "/a/b"}}]),
    )
    calls = [Call("GET", "/a/b"), Call("GET", "/a/c"), Call("GET", "/ab"), Call("GET", "/", {"user": "me"})]

    routes = [mesh_route(resources, "logic", call) for call in calls]

    assert [route.destinations[0]["destination"]["host"] for route in routes if route] == [
        "exact",
        "prefix",
        "any",
        "header",
    ]


def test_a_route_names_the_rule_that_it_is_from() -> None:
    """The place of the rule, not that of the entry in the order of precedence."""
    resources = _resources(_to("any"), _to("exact", matches=[{"path": {"type": "Exact", "value": "/a"}}]))

    route = mesh_route(resources, "logic", Call("GET", "/a"))

    assert route is not None
    assert route.where == "HTTPRoute sentimesh/logic, spec.rules[1]"


def test_mirrors_timeouts_and_retries_are_those_of_a_virtual_service() -> None:
    """A limit for attempts belongs to the retries if there are any, else to the request."""
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "v2", "port": 80}}}
    timeouts = {"request": "2s", "backendRequest": "1s"}
    gateway = {"name": "sentimesh"}
    without = _resources(_to("v1", filters=[mirror], timeouts=timeouts), parent=gateway)
    retried = _resources(_to("v1", retry={"codes": [500]}, timeouts=timeouts), parent=gateway)

    plain, retrying = (edge_route(each, Call("GET", "/")).spec for each in (without, retried))

    assert (plain["timeout"], retrying["timeout"]) == ("1s", "2s")
    assert plain["mirrors"][0]["percentage"] == {"value": 100}
    assert retrying["retries"]["perTryTimeout"] == "1s"
    assert retrying["retries"]["retryOn"].endswith(",500")


def test_filters_are_the_operations_of_a_virtual_service() -> None:
    """Headers, a rewrite, a redirect and CORS; a prefix that is replaced has no such form."""
    modifier = {"set": [{"name": "a", "value": "b"}], "remove": ["c"]}
    cors = {"allowOrigins": ["https://a.example"], "allowMethods": ["POST"], "maxAge": 600}
    prefix = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch"}}}

    fields = operations(
        [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": modifier},
            {"type": "RequestRedirect", "requestRedirect": {"path": {"replaceFullPath": "/"}}},
            {"type": "CORS", "cors": cors},
            prefix,
        ]
    )

    assert fields == {
        "headers": {"request": {"set": {"a": "b"}, "add": {}, "remove": ["c"]}},
        "redirect": {"redirectCode": 302, "uri": "/"},
        "corsPolicy": {
            "allowOrigins": [{"exact": "https://a.example"}],
            "allowMethods": ["POST"],
            "maxAge": "600s",
        },
        "filters": [prefix],
    }
