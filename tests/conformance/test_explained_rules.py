"""Explanations name the rule of every route that is made of a VirtualService."""

from __future__ import annotations

import pytest

from localmesh.catalog import Proxy, ProxyKind
from localmesh.explain import Explainer
from localmesh.explain.prepared import owner_of
from tests.conformance.case import matching

pytestmark = pytest.mark.xdist_group("overlays")  # shares the loaded cases


def test_every_route_of_a_gateway_is_traced_to_its_rule() -> None:
    """Also those of several servers, Gateways and VirtualServices for one host."""
    known = untraced = 0
    for case in matching("gateway-*"):
        explainer = Explainer.of(case.resources())
        for proxy in filter(_is_gateway, explainer.proxies):
            prepared = explainer.prepared(proxy)
            for configuration in prepared.config.routes:
                table = prepared.route_table(configuration["name"])
                assert table is not None
                for virtual_host in configuration["virtualHosts"]:
                    for route in virtual_host["routes"]:
                        rule = prepared.rule(table, virtual_host, route)
                        known += 1
                        untraced += rule.virtual_service != owner_of(route) or rule.reference is None

    assert known > 50
    assert untraced == 0


def _is_gateway(proxy: Proxy) -> bool:
    return proxy.kind is ProxyKind.GATEWAY
