"""Which causes and warnings come with an answer: only what is about this request."""

from __future__ import annotations

import pytest

from localmesh.explain import Explainer, Request
from localmesh.explain.cause import Cause
from localmesh.explain.causes import causes
from localmesh.manifests import load_text
from localmesh.tests.web import EDGE, WEB

MESH = f"{WEB}{EDGE}---\n"
NOBODY = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: shop}
spec: {}
"""


def routed(rules: str, gateways: str = "edge") -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec: {{hosts: [web, shop.test], gateways: [{gateways}], http: [{rules}]}}
"""


def causes_of(manifests: str, url: str, source: str = "outside") -> list[Cause]:
    explainer = Explainer.of(load_text(MESH + manifests).resources)
    return causes(explainer, explainer.explain(Request.to(url, source=source)))


def test_a_denied_request_has_no_cause_about_gateways() -> None:
    """That a VirtualService is for gateways only is a warning there, and says what to add."""
    manifests = routed("{route: [{destination: {host: web}}]}") + NOBODY

    because, warning = causes_of(manifests, "http://web/", "web")

    assert "nobody" in because.message
    assert not because.is_warning
    assert warning.is_warning
    assert warning.fix == "add mesh to spec.gateways, if it is for calls within the mesh too"


@pytest.mark.parametrize("url", ["http://shop.test/a", "http://shop.test/"])
def test_problems_of_rules_that_the_request_does_not_take_are_left_out(url: str) -> None:
    """Each rule has a destination that does not exist: only that of the rule that is taken is a cause."""
    gone = "match: [{uri: {exact: /a}}], route: [{destination: {host: gone-a}}]"
    manifests = routed(f"{{{gone}}}, {{route: [{{destination: {{host: gone-b}}}}]}}")

    found = causes_of(manifests, url)

    other = "gone-b" if url.endswith("a") else "gone-a"
    assert found
    assert not any(other in cause.message for cause in found)


def test_a_host_of_another_name_at_the_gateway_is_not_a_warning() -> None:
    """SM214 is about web, and the request is for shop.test."""
    assert causes_of(routed("{route: [{destination: {host: web}}]}"), "http://shop.test/") == []


def test_what_the_warning_says_is_not_said_twice() -> None:
    """The Gateway does not exist: one cause names it, with the fix."""
    found = causes_of(routed("{route: [{destination: {host: web}}]}", "egde"), "http://shop.test/")

    about_gateway = [cause for cause in found if "egde" in cause.message]
    assert [cause.fix for cause in about_gateway] == ["write edge, or define it"]


def test_a_port_that_no_server_has_names_those_that_there_are() -> None:
    """With the server to add."""
    (because,) = causes_of(routed("{route: [{destination: {host: web}}]}"), "https://shop.test/")

    assert because.message == "the servers of Gateways at istio-ingressgateway have the ports 80"
    assert because.fix == "call one of these, or add a server with port 443 (HTTPS)"


def test_an_object_out_of_reach_is_named_once_with_its_fix() -> None:
    """The Service is known by several names."""
    hidden = MESH.replace(
        "metadata: {name: web, namespace: shop}",
        'metadata: {name: web, namespace: shop, annotations: {networking.istio.io/exportTo: "."}}',
        1,
    )
    caller = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: feed, namespace: partner}
spec:
  selector: {matchLabels: {app: feed}}
  template:
    metadata: {labels: {app: feed}}
    spec: {containers: [{name: feed, image: stub, ports: [{containerPort: 8080}]}]}
"""
    explainer = Explainer.of(load_text(hidden + caller).resources)

    found = causes(explainer, explainer.explain(Request.to("http://web.shop/", source="feed")))

    about_service = [cause for cause in found if "Service shop/web:" in cause.message]
    assert [cause.fix for cause in about_service] == ["add partner to exportTo"]
    assert any("passed on to the Service in plain text" in cause.message for cause in found)
