"""VirtualServices in the catalog: names, the routes that a proxy has, and where a destination is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from localmesh.catalog import MESH, Catalog, Proxy, ProxyKind, SidecarScope, build
from localmesh.catalog.hosts import most_specific
from localmesh.catalog.virtual_services import gateway_name, is_catch_all, match_applies
from localmesh.manifests import load_text
from localmesh.translate import matches

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec: {hosts: ["*.example.com"], ports: [{number: 80, name: http, protocol: HTTP}], resolution: NONE}
"""
ROUTE = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: shop}}
spec: {{hosts: [{host}], http: [{{route: [{{destination: {{host: "{to}"}}}}]}}]}}
"""
ROOT = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: shop}
spec:
  hosts: [shop.test]
  http:
    - match: [{uri: {prefix: /a}}]
      delegate: {name: below}
      mirror: {host: copies}
"""
BELOW = """---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: below, namespace: shop}
spec:
  http:
    - route: [{destination: {host: web}}]
    - route: [{destination: {host: web}}]
      mirror: {host: own}
"""


def _catalog(text: str) -> Catalog:
    return build(load_text(text).resources)


def _scope(catalog: Catalog) -> SidecarScope:
    proxy = Proxy(kind=ProxyKind.SIDECAR, namespace="shop", workload="web", name="web", labels={})
    return catalog.sidecar_scope(proxy)


@pytest.mark.parametrize(
    ("written", "gateway"),
    [
        ("mesh", MESH),
        ("edge", "shop/edge"),
        ("web/edge", "web/edge"),
        ("./edge", "shop/edge"),
        ("edge.web", "web/edge"),
        ("edge.web.svc.cluster.local", "web/edge"),
    ],
)
def test_a_gateway_name_is_read_as_istiod_does(written: str, gateway: str) -> None:
    """istiod: pilot/pkg/model/config.go, `resolveGatewayName`."""
    assert gateway_name(written, "shop") == gateway


@pytest.mark.parametrize(
    "match",
    [
        None,
        {},
        {"uri": {}},
        {"uri": {"prefix": "/"}},
        {"uri": {"regex": ".*"}},
        {"uri": {"exact": "/"}},
        {"uri": {"prefix": "/a"}},
        {"headers": {"x": {"exact": "1"}}},
        {"headers": {}},
        {"withoutHeaders": {"x": {}}},
        {"queryParams": {"x": {"exact": "1"}}},
        {"method": {"exact": "GET"}},
        {"authority": {"exact": "web"}, "uri": {"prefix": "/"}},
        {"port": 80, "sourceLabels": {"app": "web"}, "gateways": ["mesh"]},
    ],
)
def test_a_match_is_a_catch_all_in_the_manifest_if_it_is_one_for_envoy(match: dict[str, Any] | None) -> None:
    """What the control plane decides does not count: it does not reach Envoy."""
    assert is_catch_all(match) == matches.is_catch_all(matches.route_match(match))


@pytest.mark.parametrize(
    ("match", "applies"),
    [
        (None, True),
        ({"port": 80}, True),
        ({"port": 8080}, False),
        ({"gateways": ["mesh"]}, True),
        ({"gateways": ["shop/edge"]}, False),
        ({"sourceLabels": {"app": "web"}}, True),
        ({"sourceLabels": {"app": "web", "version": "v2"}}, False),
        ({"sourceNamespace": "shop"}, True),
        ({"sourceNamespace": "other"}, False),
    ],
)
def test_the_control_plane_decides_on_ports_gateways_and_sources(
    match: dict[str, Any] | None, *, applies: bool
) -> None:
    labels = {"app": "web"}

    assert match_applies(match, port=80, gateway=MESH, namespace="shop", labels=labels) is applies


def test_a_wildcard_service_belongs_to_the_virtual_service_that_covers_all_of_it() -> None:
    """One for a single host below it routes that host alone."""
    one = ROUTE.format(name="one", host="www.example.com", to="www.example.com")
    every = ROUTE.format(name="all", host='"*.example.com"', to="*.example.com")

    owner = _scope(_catalog(ENTRY + one + every)).routed_by("*.example.com")

    assert owner is not None
    assert owner.name == "all"


def test_destinations_of_a_delegate_name_the_object_that_they_are_written_in() -> None:
    """A mirror that the delegate inherits is written in the root."""
    (root,) = _catalog(ROOT + BELOW).virtual_services

    written = [
        [
            (destination.host.partition(".")[0], destination.resource.name, str(destination.path))
            for destination in of_route
        ]
        for of_route in root.destinations
    ]

    assert written == [
        [
            ("web", "below", "spec.http[0].route[0].destination"),
            ("copies", "root", "spec.http[0].mirror"),
        ],
        [
            ("web", "below", "spec.http[1].route[0].destination"),
            ("own", "below", "spec.http[1].mirror"),
        ],
    ]


def test_an_object_that_has_moved_is_equal_and_knows_its_new_place() -> None:
    """So that proxies are sent nothing, and problems name the right line."""
    loaded = load_text(ENTRY + ROUTE.format(name="web", host="web", to="web")).resources
    before = build(loaded)
    moved = [replace(item, place=replace(item.place, line=99)) for item in loaded]

    after = build(moved, before)

    assert after.virtual_services == before.virtual_services
    assert after.virtual_services[0].resource.place.line == 99
    assert after.destinations is before.destinations


def test_only_a_pattern_that_covers_all_of_a_wildcard_host_applies_to_it() -> None:
    """istiod: pkg/config/host, `MostSpecificHostMatch`."""
    assert most_specific("*.example.com", ["*.www.example.com", "*.com", "*"]) == "*.com"
    assert most_specific("*.example.com", ["*.www.example.com", "www.example.com"]) is None
