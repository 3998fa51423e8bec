"""Which route takes a call, by Istio's rules."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.meshstate import Call, Resources, UnsupportedConfig
from loadgen.meshstate.routes import first_match, gateway_routes, mesh_route

CALL = Call("POST", "/analyse/sentiment", {"user-group": "internal"}, {"app": "webapp"})


def virtual_service(*routes: dict[str, Any], name: str = "logic", **spec: Any) -> dict[str, Any]:
    """A VirtualService for logic; each route is named by its destination."""
    return {
        "metadata": {"name": name, "namespace": "sentimesh", "creationTimestamp": spec.pop("created", None)},
        "spec": {"hosts": ["logic"], "http": list(routes), **spec},
    }


def to(destination: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    """A route to one destination, with its match conditions."""
    route: dict[str, Any] = {"route": [{"destination": {"host": destination}}]}
    return route | ({"match": list(conditions)} if conditions else {})


def taken(*virtual_services: dict[str, Any], call: Call = CALL) -> str | None:
    """The destination of the route that sidecars use for the call to logic."""
    route = mesh_route(Resources("sentimesh", virtual_services), "logic", call)
    return None if route is None else route.destinations[0]["destination"]["host"]


@pytest.mark.parametrize(
    "condition",
    [
        {"uri": {"exact": "/analyse/sentiment"}},
        {"uri": {"prefix": "/analyse"}},
        {"uri": {"regex": "/analyse/(sentiment|mood)"}},
        {"uri": {"exact": "/Analyse/SENTIMENT"}, "ignoreUriCase": True},
        {"method": {"exact": "POST"}},
        {"headers": {"user-group": {"exact": "internal"}}},
        {"headers": {"User-Group": {}}},
        {"withoutHeaders": {"end-user": {}}},
        {"sourceLabels": {"app": "webapp"}},
        {"gateways": ["mesh"]},
        {"port": 80},
        {"name": "named", "uri": {"prefix": "/"}},
        {},
    ],
)
def test_a_condition_that_holds_takes_the_call(condition: dict[str, Any]):
    """Each kind of condition that is evaluated."""
    assert taken(virtual_service(to("matched", condition), to("other"))) == "matched"


@pytest.mark.parametrize(
    "condition",
    [
        {"uri": {"exact": "/analyse"}},
        {"uri": {"regex": "/analyse"}},
        {"uri": {"prefix": "/Analyse"}},
        {"method": {"exact": "GET"}},
        {"headers": {"user-group": {"exact": "external"}}},
        {"headers": {"end-user": {}}},
        {"withoutHeaders": {"user-group": {"prefix": "int"}}},
        {"sourceLabels": {"app": "frontend"}},
        {"gateways": ["sentimesh"]},
        {"port": 81},
        {"uri": {"prefix": "/analyse"}, "method": {"exact": "GET"}},
    ],
)
def test_a_condition_that_does_not_hold_leaves_the_call_to_the_next(condition: dict[str, Any]):
    """All parts of a condition must hold."""
    assert taken(virtual_service(to("matched", condition), to("other"))) == "other"


def test_one_of_several_conditions_is_enough():
    """The entries of `match` are alternatives."""
    route = to("matched", {"method": {"exact": "GET"}}, {"uri": {"prefix": "/analyse"}})

    assert taken(virtual_service(route, to("other"))) == "matched"


def test_what_cannot_be_evaluated_is_said():
    """A condition on something else is not guessed at."""
    with pytest.raises(
        UnsupportedConfig, match=r"VirtualService sentimesh/logic, spec.http\[0\] matches by queryParams"
    ):
        taken(virtual_service(to("matched", {"queryParams": {"a": {"exact": "b"}}})))


def test_without_a_matching_route_there_is_none():
    """No catch-all, no route; no VirtualService for the host, no route."""
    assert taken(virtual_service(to("matched", {"method": {"exact": "GET"}}))) is None
    assert taken(virtual_service(to("matched"), hosts=["feedback"])) is None
    assert taken() is None


@pytest.mark.parametrize(
    "hosts", [["logic"], ["logic.sentimesh.svc.cluster.local"], ["*.sentimesh.svc.cluster.local"], ["*"]]
)
def test_hosts_may_be_short_full_or_wild(hosts: list[str]):
    """A name without a dot is a Service of the namespace."""
    assert taken(virtual_service(to("matched"), hosts=hosts)) == "matched"


def test_a_virtual_service_for_gateways_only_is_not_for_sidecars():
    """`gateways` without `mesh` leaves the sidecars alone."""
    assert taken(virtual_service(to("matched"), gateways=["sentimesh"])) is None
    assert taken(virtual_service(to("matched"), gateways=["sentimesh", "mesh"])) == "matched"


def test_the_most_specific_host_wins_then_the_oldest():
    """As Istio resolves several VirtualServices for one host."""
    wild = virtual_service(
        to("wild"), name="a", hosts=["*.sentimesh.svc.cluster.local"], created="2020-01-01T00:00:00Z"
    )
    younger = virtual_service(to("younger"), name="b", created="2026-01-02T00:00:00Z")
    older = virtual_service(to("older"), name="c", created="2026-01-01T00:00:00Z")

    assert taken(wild, younger, older) == "older"


def test_routes_at_gateways_are_those_of_virtual_services_bound_to_one():
    """Each such VirtualService gives its first match; those of the mesh give none."""
    bound = virtual_service(
        to("no", {"uri": {"exact": "/"}}), to("yes"), name="ingress", gateways=["sentimesh"]
    )

    selected = gateway_routes(Resources("sentimesh", (bound, virtual_service(to("mesh")))), CALL)

    assert [route.where for route in selected] == ["VirtualService sentimesh/ingress, spec.http[1]"]


def test_where_a_route_stands_is_named():
    """For people: kind, namespace, name and field."""
    route = first_match(virtual_service(to("a", {"port": 1}), to("b")), CALL, gateway="mesh")

    assert route is not None
    assert route.where == "VirtualService sentimesh/logic, spec.http[1]"
