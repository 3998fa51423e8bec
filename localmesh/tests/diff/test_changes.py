"""What changes for whom, in words: one edit of the shop at a time."""

from __future__ import annotations

import pytest

from localmesh.tests.diff.shop import SHOP, difference, lines, routes, split

SIDECARS = "api-v1 api-v2 web-v1"
TO_V1 = "- route: [{destination: {host: api, subset: v1}}]"
TO_V2 = "- route: [{destination: {host: api, subset: v2}}]"


def rule(settings: str = "", subset: str = "v1") -> str:
    return f"- {settings}\n  route: [{{destination: {{host: api, subset: {subset}}}}}]".replace(
        "- \n  ", "- "
    )


ROUTES = {
    "weights": (split(80, 20), split(50, 50), ["all requests: v1 80 % → 50 %, v2 20 % → 50 %"]),
    "weights of the same share": (
        split(1, 1),
        split(50, 50),
        ["all requests: v1 weight 1 → weight 50, v2 weight 1 → weight 50"],
    ),
    "destination": (routes(TO_V1), routes(TO_V2), ["all requests: v1 → v2"]),
    "timeout": (
        routes(rule()),
        routes(rule("timeout: 500ms")),
        ["all requests: timeout: none → 500 ms"],
    ),
    "retries": (
        routes(rule()),
        routes(rule('retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx"}')),
        ["all requests: retries: 2 on connection errors → 3 on 5xx, 2 s each"],
    ),
    "fault": (
        routes(rule()),
        routes(rule("fault: {abort: {httpStatus: 503, percentage: {value: 12.5}}}")),
        ["all requests: injected fault: none → 503 for 12.5 %"],
    ),
    "mirror": (
        routes(rule()),
        routes(rule("mirror: {host: api, subset: v2}")),
        ["all requests: copied to: none → api.shop:80 v2 100 %"],
    ),
    "headers": (
        routes(rule()),
        routes(rule("headers: {request: {set: {x-a: b}, remove: [x-c]}}")),
        [
            "all requests: request headers: none → x-a = b",
            "all requests: request headers removed: none → x-c",
        ],
    ),
    "rewrite": (
        routes(rule("rewrite: {uri: /v1}")),
        routes(rule("rewrite: {uri: /v2, authority: web}")),
        [
            "all requests: path rewritten to: /v1 → /v2",
            "all requests: host rewritten to: as it is → web",
        ],
    ),
    "match": (
        routes(rule("match: [{uri: {prefix: /a}}]")),
        routes(rule('match: [{uri: {exact: /b}, method: {exact: GET}, headers: {user: {regex: "a|b"}}}]')),
        ["GET /b, user ~ a|b: match: /a* → GET /b, user ~ a|b"],
    ),
    "rule added": (
        routes(TO_V1),
        routes(f"{rule('match: [{queryParams: {debug: {exact: yes!}}}]', 'v2')}\n{TO_V1}"),
        ["?debug = yes!: rule added as number 1 of 2, to v2; VirtualService shop/api"],
    ),
    "rule removed": (
        routes(f"{rule('match: [{uri: {prefix: /a}}]', 'v2')}\n{TO_V1}"),
        routes(TO_V1),
        ["/a*: rule removed, to v2; VirtualService shop/api"],
    ),
    "rules reordered": (
        routes(f"{rule('match: [{uri: {prefix: /a}}]')}\n{rule('match: [{uri: {prefix: /ab}}]', 'v2')}"),
        routes(f"{rule('match: [{uri: {prefix: /ab}}]', 'v2')}\n{rule('match: [{uri: {prefix: /a}}]')}"),
        ["/a*: rule moved from number 1 to 2"],
    ),
    "redirect": (
        routes(TO_V1),
        routes("- redirect: {uri: /new, redirectCode: 302}"),
        ["all requests: to v1 → redirect to /new (found)"],
    ),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_changed_route_is_told_for_all_that_call_it(name: str) -> None:
    """Each setting of a route has words, and all sidecars have the change, the gateway does not."""
    before, after, texts = ROUTES[name]

    assert lines(SHOP + before, SHOP + after) == [f"{SIDECARS} | → api.shop:80 | {text}" for text in texts]


def test_a_change_names_the_proxies_without_it() -> None:
    """The gateway has no route to the Service, so it stays as it is."""
    assert difference(SHOP + split(80, 20), SHOP + split(50, 50)).unchanged == ("istio-ingressgateway",)
