"""Where answers of real Envoys count as a disagreement; no Envoy is asked here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localmesh.explain import Explainer, Explanation, Request
from localmesh.manifests import load_text
from localmesh.route_tests.live.comparing import SAMPLES, cannot_be_sent, disagreements, samples_of
from localmesh.route_tests.live.sending import LiveAnswer, answer_of
from localmesh.tests.route_tests.shop import SHOP

UPSTREAM = {"x-envoy-upstream-service-time": "1"}
WORKLOADS = {"b1": "shop/books-v1", "b2": "shop/books-v2", "c1": "shop/cart-v1"}
V1, V2, CART = (LiveAnswer(200, UPSTREAM, pod) for pod in WORKLOADS)


@pytest.fixture(scope="module")
def shop() -> Explainer:
    return Explainer.of(load_text(SHOP).resources)


def split(shop: Explainer) -> Explanation:
    return shop.explain(Request.to("http://books/", source="cart-v1"))


def found(explanation: Explanation, *answers: LiveAnswer) -> list[str]:
    return list(disagreements(explanation, answers, lambda pod: WORKLOADS[pod]))


def test_every_likely_outcome_must_be_seen_and_no_other(shop: Explainer) -> None:
    """Both destinations of a split, and only these."""
    either = "explained a request at shop/books-v1 or a request at shop/books-v2"

    assert samples_of(split(shop)) == SAMPLES
    assert found(split(shop), V1, V2) == []
    assert found(split(shop), V1, V1) == [f"{either}; Envoy: a request at shop/books-v1"]
    assert found(split(shop), V1, V2, CART) == [
        f"{either}; Envoy: a request at shop/books-v1, "
        "a request at shop/books-v2 or a request at shop/cart-v1"
    ]


def test_an_application_that_does_not_name_its_pod_is_believed(shop: Explainer) -> None:
    """If Envoy says that the answer is not its own."""
    explanation = shop.explain(Request.to("http://cart/", source="books-v1"))

    assert found(explanation, LiveAnswer(418, UPSTREAM)) == []
    assert found(explanation, LiveAnswer(404, {})) == ["explained a request at shop/cart-v1; Envoy: 404"]
    assert found(explanation, LiveAnswer(None, {})) == [
        "explained a request at shop/cart-v1; Envoy: a closed connection"
    ]


def test_what_arrives_is_compared(shop: Explainer) -> None:
    """Path, host and headers; not those that proxies add, nor the space with which a stub joins headers."""
    headers = {"x-secret": "s", "x-by": "client", "x-list": "a,b"}
    explanation = shop.explain(Request.to("http://shop.example/cart/1", headers=headers))
    arrived: dict[str, Any] = {
        "path": "//1",
        "headers": {"host": "shop.example", "x-by": "edge", "x-list": "a, b", "x-forwarded-for": "127.0.0.1"},
    }

    assert found(explanation, LiveAnswer(200, UPSTREAM, "c1", arrived)) == []
    arrived["headers"]["x-by"] = "client"
    assert found(explanation, LiveAnswer(200, UPSTREAM, "c1", arrived)) == [
        "explained x-by: edge; Envoy: x-by: client"
    ]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (Request.to("http://shop.example/cart"), ""),
        (Request.to("http://elsewhere.example/", source="cart-v1"), "it would leave the mesh"),
        (Request.to("http://shop.example:81/"), "the gateway has no listener for it"),
        (Request.to("https://shop.example/cart"), "only http:// is sent"),
    ],
)
def test_some_requests_are_not_sent(request_: Request, reason: str, shop: Explainer) -> None:
    """With the reason."""
    assert cannot_be_sent(shop.explain(request_)) == reason


def test_only_the_answer_of_a_stub_says_what_arrived() -> None:
    """An application may name its pod, and answer with headers as well."""
    served = {"served-by": "books/v1/books-v1-x;attempt=1, cart/v1/cart-v1-y"}
    stub = {"pod": "books-v1-x", "port": 8080, "method": "GET", "path": "/", "headers": {"host": "books"}}

    from_stub = answer_of(200, served, json.dumps(stub).encode())
    from_other = answer_of(200, served, json.dumps({"headers": {"host": "books"}}).encode())

    assert (from_stub.pod, from_stub.arrived) == ("books-v1-x", stub)
    assert (from_other.pod, from_other.arrived) == ("books-v1-x", None)
    assert answer_of(404, {}, b"").pod == ""
