"""Every field of `expect`: it passes where it is right, and says what is observed where it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from localmesh.manifests import load
from localmesh.route_tests.checks import Difference
from localmesh.route_tests.reading import read_case_files
from localmesh.route_tests.run import run_cases
from localmesh.tests.route_tests.shop import SHOP, outcome, write

BOOKS = {"from": "cart-v1", "request": "GET http://books/"}
TESTED = {"from": "cart-v1", "request": {"url": "http://books/", "headers": {"x-test": "yes"}}}
CART = {"request": {"url": "http://shop.example/cart/1", "headers": {"x-secret": "s"}}}
DENIED = {"from": "books-v1", "request": "DELETE http://cart/"}
ALLOWED = {"from": "books-v1", "request": "POST http://cart/"}

FIELDS = [
    (BOOKS, {"destination": "books"}, {"destination": "cart"}, "books/v1 and books/v2"),
    (TESTED, {"destination": "books/v1"}, {"destination": "books/v2"}, "books/v1"),
    (TESTED, {"destination": "books.shop:80/v1"}, {"destination": "books:8080"}, "books:80/v1"),
    (TESTED, {"destination": {"host": "books", "subset": "v1"}}, {"destination": {"host": "b"}}, "books/v1"),
    (BOOKS, {"destination": "books", "weights": {"v1": 75, "v2": 25}}, {"weights": {"books/v1": 1}}, None),
    (
        BOOKS,
        {"weights": {"books/v1": 3, "books/v2": 1}},
        {"destination": "books", "weights": {"v1": 1}},
        None,
    ),
    (BOOKS, {"virtualService": "books"}, {"virtualService": "shop/edge"}, "shop/books"),
    (ALLOWED, {"virtualService": "none"}, {"virtualService": "shop/cart"}, "none"),
    (TESTED, {"route": "test"}, {"route": "split"}, "test"),
    (CART, {"status": 200}, {"status": 404}, "the request arrives at cart"),
    ({"request": "GET http://shop.example/"}, {"status": 404, "responseFlag": "NR"}, {"status": 200}, None),
    ({"request": "GET http://shop.example/old"}, {"status": 302}, {"destination": "cart"}, None),
    (
        {"request": "GET http://shop.example/old"},
        {"redirect": "http://shop.example/new"},
        {"redirect": "http://shop.example/"},
        "http://shop.example/new",
    ),
    (CART, {"rewrite": {"uri": "//1"}}, {"rewrite": {"uri": "/cart/1"}}, "//1"),
    (CART, {"rewrite": {"authority": "shop.example"}}, {"rewrite": {"authority": "x"}}, "shop.example"),
    (
        CART,
        {"headers": {"request": {"x-by": "edge", "x-secret": None}}},
        {"headers": {"request": {"x-secret": "s"}}},
        "absent",
    ),
    (
        CART,
        {"headers": {"response": {"x-answer": "edge", "server": None}}},
        {"headers": {"response": {"server": "x"}}},
        "absent",
    ),
    (
        BOOKS,
        {"headers": {"response": {"x-both": "yes"}}},
        {"headers": {"response": {"x-version": "v1"}}},
        "as the application sets it",
    ),
    (
        CART,
        {"headers": {"response": {"x-answer": "edge"}}},
        {"headers": {"response": {"x-other": None}}},
        "as the application sets it",
    ),
    (BOOKS, {"timeout": "1.5s"}, {"timeout": "0s"}, "1.500s"),
    (ALLOWED, {"timeout": "0s"}, {"timeout": "1s"}, "0s"),
    (BOOKS, {"retries": 4}, {"retries": 2}, "4"),
    (
        BOOKS,
        {"retries": {"attempts": 4, "perTryTimeout": "300ms", "retryOn": "418,5xx"}},
        {"retries": {"retryOn": "5xx"}},
        "retryOn: 5xx,418",
    ),
    (
        TESTED,
        {
            "fault": {
                "delay": {"fixedDelay": "2s", "percentage": 10},
                "abort": {"httpStatus": 503, "percentage": 25},
            }
        },
        {"fault": {"abort": {"httpStatus": 503}}},
        "delay: {fixedDelay: 2s, percentage: 10}, abort: {httpStatus: 503, percentage: 25}",
    ),
    (
        ALLOWED,
        {"retries": {"retryOn": "connect-failure,refused-stream,unavailable,cancelled"}},
        {"retries": {"retryOn": "5xx"}},
        None,
    ),
    (
        BOOKS,
        {"destination": "books", "weights": {"v1": 75, "v2": 25, "v3": 0}},
        {"destination": "books", "weights": {"v3": 1, "v1": 74, "v2": 25}},
        "v1: 75, v2: 25",
    ),
    (BOOKS, {"mirror": {"cart": 50}}, {"mirror": {}}, "cart: 50"),
    (
        {"request": "GET http://shop.example/old"},
        {"headers": {"response": {"location": "http://shop.example/new"}}},
        {"headers": {"response": {"location": None}}},
        "http://shop.example/new",
    ),
    (BOOKS, {"fault": {}}, {"fault": {"abort": {"httpStatus": 500}}}, "none"),
    (BOOKS, {"mirror": {"cart": 50}}, {"mirror": "cart"}, "cart: 50"),
    (TESTED, {"mirror": {}}, {"mirror": "cart"}, "none"),
    (
        BOOKS,
        {"trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 7}}}},
        {"trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 8}}}},
        "tcp: {maxConnections: 7, connectTimeout: 2s}",
    ),
    (CART, {"tls": "mTLS"}, {"tls": "plain text"}, "mTLS"),
    (ALLOWED, {"allowedBy": "cart"}, {"deniedBy": "cart"}, "allowed, by shop/cart"),
    (
        DENIED,
        {"deniedBy": "shop/no-delete", "status": 403},
        {"allowedBy": "cart"},
        "denied, by shop/no-delete",
    ),
    (
        {"from": "cart-v1", "request": "POST http://cart/"},
        {"deniedBy": "default"},
        {"allowedBy": "cart"},
        "denied because no ALLOW policy allows it",
    ),
    (
        {"from": "cart-v1", "request": "POST http://cart/"},
        {"deniedBy": "default"},
        {"deniedBy": "cart"},
        "denied because no ALLOW policy allows it (write default)",
    ),
    (BOOKS, {"not": {"destination": "cart", "retries": 2}}, {"not": {"destination": "books"}}, "books"),
]


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> list[list[Difference]]:
    """The differences of all cases, in their order: of each pair first the right one, then the wrong one."""
    cases = [{**case, "expect": expect} for case, *both, _ in FIELDS for expect in both]
    text = yaml.safe_dump({"manifests": "shop.yaml", "cases": cases}, sort_keys=False)
    (file,) = read_case_files([write(tmp_path_factory.mktemp("checks"), text)])
    run = run_cases(file.cases, load(files=file.manifests))
    return [list(result.differences) for result in run.results]


@pytest.mark.parametrize("number", range(len(FIELDS)), ids=[str(right) for _, right, _, _ in FIELDS])
def test_a_field_is_compared(number: int, differences: list[list[Difference]]) -> None:
    """The first case passes, and the difference of the second names what is observed."""
    *_, observed = FIELDS[number]

    assert differences[2 * number] == []
    (difference,) = differences[2 * number + 1]
    assert observed in (None, difference.observed)


def test_shares_that_are_not_expected_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of subsets by their names, of other destinations by host and subset."""
    file = write(
        tmp_path,
        """
manifests: shop.yaml
defaults: {from: cart-v1, request: GET http://books/}
cases:
  - expect: {destination: books, weights: {v1: 50, v2: 50}}
  - expect: {weights: {books/v1: 100}}
  - expect: {weights: {books: 100}}
""",
    )

    _, out, _ = outcome(capsys, file, "-o", "json")

    found = [each["differences"] for each in json.loads(out)["cases"]]
    assert [each[0]["observed"] for each in found if each] == ["v1: 75, v2: 25", "books/v1: 75, books/v2: 25"]
    assert found[2] == []


def test_a_policy_of_the_gateway_denies_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before a route is chosen, so that no pod is asked."""
    policy = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-edit, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  action: DENY
  rules: [{to: [{operation: {methods: [PUT]}}]}]
"""
    cases = """
manifests: shop.yaml
cases:
  - {request: PUT http://shop.example/cart/1, expect: {deniedBy: no-edit}}
  - {request: GET http://shop.example/cart/1, expect: {allowedBy: cart}}
"""
    file = write(tmp_path, cases)
    (tmp_path / "shop.yaml").write_text(SHOP + policy)

    assert outcome(capsys, file, "-q")[0] == 0


def test_plain_text_is_denied_by_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the PeerAuthentication of the called pods; the caller's sidecar answers 503."""
    policies = """
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: encrypted, namespace: shop}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cart, namespace: shop}
spec: {host: cart, trafficPolicy: {tls: {mode: DISABLE}}}
"""
    cases = """
manifests: shop.yaml
cases:
  - {from: books-v1, request: GET http://cart/, expect: {deniedBy: encrypted, tls: plain text, status: 503}}
"""
    file = write(tmp_path, cases)
    (tmp_path / "shop.yaml").write_text(SHOP + policies)

    status, out, _ = outcome(capsys, file)

    assert status == 0, out


def test_subsets_without_a_host_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`weights: {v1: …}` needs a destination."""
    cases = """
manifests: shop.yaml
cases: [{from: cart-v1, request: GET http://books/, expect: {weights: {v1: 75, v2: 25}}}]
"""

    status, out, _ = outcome(capsys, write(tmp_path, cases))

    assert status == 1
    assert "observed books/v1: 75, books/v2: 25 (write HOST/SUBSET, or add destination)" in out


NO_BOOKS = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-books, namespace: shop}
spec: {selector: {matchLabels: {app: books}}, action: DENY, rules: [{}]}
"""


def test_the_same_answer_of_all_destinations_is_certain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both subsets deny the request, so that it is 403 with certainty and arrives nowhere."""
    cases = """
manifests: shop.yaml
cases:
  - {name: denied, from: cart-v1, request: GET http://books/, expect: {status: 403}}
  - {name: allowed, from: cart-v1, request: GET http://books/, expect: {status: 200}}
"""
    file = write(tmp_path, cases)
    (tmp_path / "shop.yaml").write_text(SHOP + NO_BOOKS)

    status, out, _ = outcome(capsys, file)

    assert status == 1
    assert "PASS  denied" in out
    assert "observed 403 (rule 0 of AuthorizationPolicy shop/no-books denies it)\n" in out


def test_an_answer_of_some_destinations_leaves_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One subset denies the request: its share is named, and that the others get the request."""
    cases = """
manifests: shop.yaml
cases: [{from: cart-v1, request: GET http://books/, expect: {status: 403}}]
"""
    file = write(tmp_path, cases)
    one = NO_BOOKS.replace("app: books", "app: books, version: v2")
    (tmp_path / "shop.yaml").write_text(SHOP + one)

    status, out, _ = outcome(capsys, file)

    assert status == 1
    assert (
        "observed 25 %: 403 (rule 0 of AuthorizationPolicy shop/no-books denies it); else the request" in out
    )
