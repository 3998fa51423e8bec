"""What real Envoys do and explain once predicted otherwise: each was found by localmesh/tests/agreement."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from localmesh.explain import OUTSIDE, Answer, Explainer, Message, Outcome, Request
from localmesh.explain.route_actions import changed_headers
from localmesh.manifests import Text, load_text
from localmesh.tests.security.tokens import ISSUER, jwks, token
from localmesh.tests.web import EDGE, WEB

MESH = WEB + EDGE
PLAIN_POD = 'metadata: {labels: {app: web}, annotations: {sidecar.istio.io/inject: "false"}}'
CLIENT = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: shop}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: client, image: stub, ports: [{containerPort: 8080}]}]}
"""
MUTUAL = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
"""
TO_WEB = "route: [{destination: {host: web}}]"


def _routed(rule: str = TO_WEB) -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: shop}}
spec: {{hosts: [web, shop.test], gateways: [mesh, edge], http: [{{{rule}}}]}}
"""


def _tokens(*rules: str) -> str:
    entries = ", ".join(f"{{issuer: '{ISSUER}', jwks: '{jwks()}', {rule}}}" for rule in rules)
    return f"""---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens, namespace: shop}}
spec: {{selector: {{matchLabels: {{app: web}}}}, jwtRules: [{entries}]}}
"""


def _outcome(extra: str, *, path: str = "/", method: str = "GET", **headers: str) -> Outcome:
    """The one outcome of a request of the web application to itself."""
    request = Request(
        "web",
        path,
        method,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        source="web",
    )
    (outcome,) = Explainer.of(load_text(MESH + extra).resources).explain(request).outcomes
    return outcome


def _seen(extra: str, *, path: str = "/", **headers: str) -> Message:
    outcome = _outcome(extra, path=path, **headers)
    assert outcome.message is not None, outcome.answer
    return outcome.message


def _answer(extra: str, *, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    outcome = _outcome(extra, path=path, method=method, **headers)
    assert outcome.answer is not None
    return outcome.answer


def _bearer(**claims: object) -> str:
    return f"Bearer {token(**claims)}"


def test_blanks_around_the_value_of_a_header_are_not_part_of_it() -> None:
    """A value ends before its blanks."""
    assert _seen("", x_group=" a b ").headers == {"x-group": "a b"}


def test_a_gateway_is_called_at_the_port_of_the_url() -> None:
    """A port in the header `host` does not change which server takes the request."""
    explainer = Explainer.of(load_text(MESH + _routed()).resources)

    explanation = explainer.explain(Request("shop.test", headers={"host": "shop.test:9090"}))

    assert explanation.answer is None
    assert [outcome.workload for outcome in explanation.outcomes] == ["web"]


def test_requests_from_outside_do_not_enter_at_the_egress_gateway() -> None:
    """A gateway for requests that leave the mesh is none for those that enter it, whatever it routes."""
    leaving = (MESH + _routed()).replace("istio: ingressgateway", "istio: egressgateway")
    entering = MESH[MESH.rindex("---") :].replace("edge", "other").replace("shop.test", "other.test")

    explanation = Explainer.of(load_text(leaving + entering).resources).explain(Request("shop.test"))

    assert [hop.workload for hop in explanation.hops] == ["istio-ingressgateway"]


@pytest.mark.parametrize("caller", ["web", OUTSIDE])
def test_a_gateway_does_not_listen_for_connections_without_routes(caller: str) -> None:
    """Istio leaves out a listener that would forward nothing; a proxy that calls it answers 503."""
    server = "{port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}"
    mesh = MESH.replace("{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.test]}", server)

    explanation = Explainer.of(load_text(mesh).resources).explain(
        Request("istio-ingressgateway.istio-system", source=caller)
    )

    assert explanation.answer is not None
    assert (explanation.answer.status, explanation.answer.flag) == (
        (503, "URX,UF") if caller == "web" else (None, "")
    )


@pytest.mark.parametrize(
    ("mode", "method", "status", "flag"),
    [
        ("DISABLE", "GET", 503, "UC"),
        ("DISABLE", "DELETE", 502, "UPE"),
        ("SIMPLE", "GET", 503, "URX,UF"),
    ],
)
def test_a_proxy_answers_where_a_gateway_does_not_take_its_tls(
    mode: str, method: str, status: int, flag: str
) -> None:
    """Only a client outside sees the connection end; a TLS server sends an alert to methods unknown to it."""
    mesh = MESH.replace(
        "port: {number: 80, name: http, protocol: HTTP}",
        "port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: ISTIO_MUTUAL}",
    )
    rule = f"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: gateway, namespace: shop}}
spec: {{host: istio-ingressgateway.istio-system.svc.cluster.local, trafficPolicy: {{tls: {{mode: {mode}}}}}}}
"""
    gateway = "{host: istio-ingressgateway.istio-system.svc.cluster.local, port: {number: 443}}"
    mesh += rule + _routed(f"route: [{{destination: {gateway}}}]")

    explanation = Explainer.of(load_text(mesh).resources).explain(Request("web", method=method, source="web"))

    assert explanation.answer is not None
    assert (explanation.answer.status, explanation.answer.flag) == (status, flag)


def test_a_redirect_to_https_keeps_the_port() -> None:
    """`httpsRedirect` changes the scheme only."""
    mesh = MESH.replace("hosts: [shop.test]}", "hosts: [shop.test], tls: {httpsRedirect: true}}") + _routed()

    explanation = Explainer.of(load_text(mesh).resources).explain(
        Request("shop.test", "/a", headers={"host": "shop.test:80"})
    )

    assert explanation.answer is not None
    assert explanation.answer.headers == {"location": "https://shop.test:80/a"}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("100%%", "100%"),
        ("%REQ(:METHOD)%", "GET"),
        ("%REQ(x-a)%!", "1!"),
        ("%REQ(x-gone)%", None),
        ("%REQ(x-gone?x-a)%", "1"),
        ("%REQ(:METHOD):2%", "GE"),
        ("%REQ(x-blank):2%", "a"),
    ],
)
def test_values_of_headers_are_formatted(value: str, sent: str | None) -> None:
    """Two percent signs are one, and a header is not added if its value is empty."""
    rule = f'headers: {{request: {{set: {{x-set: "{value}"}}, remove: [x-gone]}}}}, {TO_WEB}'

    seen = _seen(_routed(rule), x_a="1", x_gone="2", x_blank="a b")

    assert seen.headers.get("x-set") == sent


@pytest.mark.parametrize("status", [204, 503])
def test_a_response_without_a_body_has_no_type(status: int) -> None:
    """204 has no body even where one is written."""
    body = "body: {string: fixed}, " if status == 204 else ""
    changes = "headers: {response: {set: {content-type: text/x, x-set: '1'}}}"

    answer = _answer(_routed(f"directResponse: {{{body}status: {status}}}, {changes}"))

    assert (answer.body, answer.headers) == ("", {"x-set": "1"})


def test_a_value_names_headers_as_they_are_before_any_is_set() -> None:
    """What is set beside it does not count, what is removed does."""
    rule = f'headers: {{request: {{set: {{x-a: "1", x-b: "%REQ(x-a)%"}}}}}}, {TO_WEB}'

    assert _seen(_routed(rule)).headers == {"x-a": "1"}
    assert _seen(_routed(rule), x_a="0").headers == {"x-a": "1", "x-b": "0"}


@pytest.mark.parametrize("operation", ["add", "set"])
def test_a_value_names_the_first_value_of_a_header(operation: str) -> None:
    """Envoy adds another header of the same name."""
    changes = f"request: {{{operation}: {{x-a: '2'}}}}, response: {{set: {{x-set: '%REQ(x-a)%'}}}}"

    outcome = _outcome(_routed(f"headers: {{{changes}}}, {TO_WEB}"), x_a="1")

    assert outcome.message is not None
    assert outcome.message.headers == {"x-a": "1,2" if operation == "add" else "2"}
    assert changed_headers({}, outcome.response_changes) == {"x-set": "1" if operation == "add" else "2"}


def test_the_authority_of_a_route_replaces_that_of_a_destination() -> None:
    """Envoy rewrites the host for the weighted cluster first, and for the route after it."""
    destination = (
        "{destination: {host: web}, weight: 50, headers: {request: {set: {host: destination.test}}}}"
    )
    rule = f"rewrite: {{authority: route.test}}, route: [{destination}, {destination}]"

    explanation = Explainer.of(load_text(MESH + _routed(rule)).resources).explain(
        Request("web", source="web")
    )

    messages = [outcome.message for outcome in explanation.outcomes]
    assert [message and message.authority for message in messages] == ["route.test"] * 2


def test_headers_are_set_before_others_are_added() -> None:
    """The operations of a route and of its only destination are done together: all sets come first."""
    route = "route: [{destination: {host: web}, headers: {request: {set: {x-a: set}}}}]"
    rule = f"headers: {{request: {{add: {{x-a: added}}}}}}, {route}"

    assert _seen(_routed(rule)).headers == {"x-a": "set,added"}


def test_a_redirect_has_the_headers_that_its_route_sets() -> None:
    """Operations on the response hold for redirects too, which have no body and no type."""
    changes = "headers: {response: {set: {x-set: '1', content-type: text/x}}}"

    answer = _answer(_routed(f"redirect: {{authority: new.test}}, {changes}"), path="/a")

    assert answer.headers == {"location": "http://new.test/a", "x-set": "1"}


def test_a_missing_cluster_answers_with_the_headers_that_its_route_sets() -> None:
    """Operations on the response hold for the 503 of the proxy, which has no body and no type."""
    changes = "headers: {response: {set: {x-set: '1', content-type: text/x}}}"

    answer = _answer(_routed(f"route: [{{destination: {{host: nobody}}}}], {changes}"))

    assert (answer.status, answer.flag, answer.headers) == (503, "NC", {"x-set": "1"})


@pytest.mark.parametrize(
    ("rule", "flag"),
    [
        ("route: [{destination: {host: nobody}}]", "NC"),
        ("fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, " + TO_WEB, "FI"),
    ],
)
def test_headers_of_answers_are_made_before_those_of_the_request_are_changed(rule: str, flag: str) -> None:
    """Where nothing is sent on, the values that a response gets are those of the request as it arrived."""
    changes = "headers: {request: {remove: [x-a]}, response: {set: {x-set: '%REQ(x-a)%'}}}"

    answer = _answer(_routed(f"{changes}, {rule}"), x_a="1")

    assert (answer.flag, answer.headers) == (flag, {"x-set": "1"})


def test_without_a_ready_pod_headers_of_the_answer_have_values_of_the_changed_request() -> None:
    """Envoy changes the request before it looks for a pod."""
    changes = "headers: {request: {set: {x-a: '2'}}, response: {set: {x-set: '%REQ(x-a)%'}}}"
    mesh = (
        _routed(f"{changes}, route: [{{destination: {{host: nobody}}}}]")
        + """---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {selector: {app: nobody}, ports: [{name: http, port: 80}]}
"""
    )

    answer = _answer(mesh, x_a="1")

    assert (answer.flag, answer.headers) == ("UH", {"x-set": "2"})


def test_an_abort_has_the_headers_of_the_destination_it_was_meant_for() -> None:
    """The destination is drawn before the fault: with two that differ, there are two answers."""
    destinations = [
        f"{{destination: {{host: {host}}}, weight: 50, headers: {{response: {{set: {{x-set: {host}}}}}}}}}"
        for host in ("web", "nobody")
    ]
    fault = "fault: {abort: {httpStatus: 418, percentage: {value: 100}}}"
    rule = f"{fault}, route: [{', '.join(destinations)}]"

    explanation = Explainer.of(load_text(MESH + _routed(rule)).resources).explain(
        Request("web", source="web")
    )

    answers = [(outcome.percent, outcome.answer) for outcome in explanation.outcomes]
    assert [(percent, answer and answer.headers) for percent, answer in answers] == [
        (50, {"x-set": "web"}),
        (50, {"x-set": "nobody"}),
    ]


def test_a_denial_of_the_gateway_has_the_headers_of_the_route() -> None:
    """Envoy chooses the route before its filters judge the request."""
    policy = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: istio-system}
spec: {selector: {matchLabels: {istio: ingressgateway}}}
"""
    rule = f"headers: {{response: {{set: {{x-set: '1'}}}}}}, {TO_WEB}"

    explanation = Explainer.of(load_text(MESH + _routed(rule) + policy).resources).explain(
        Request("shop.test")
    )

    assert explanation.answer is not None
    assert (explanation.answer.status, explanation.answer.headers) == (403, {"x-set": "1"})


def test_responses_to_allowed_origins_have_headers_of_the_cors_policy() -> None:
    """They are added to what the route changes."""
    cors = (
        "corsPolicy: {allowOrigins: [{exact: http://a.test}], exposeHeaders: [x-a], allowCredentials: true}"
    )
    rule = f"{cors}, headers: {{response: {{remove: [x-b]}}}}, {TO_WEB}"

    allowed = _outcome(_routed(rule), origin="http://a.test").response_changes
    other = _outcome(_routed(rule), origin="http://b.test").response_changes

    assert changed_headers({"x-b": "1"}, allowed) == {
        "access-control-allow-origin": "http://a.test",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-a",
    }
    assert changed_headers({"x-b": "1"}, other) == {}


@pytest.mark.parametrize(
    ("rule", "headers", "status", "body"),
    [
        ("", {"authorization": "Bearer a"}, 401, "Jwt is not in the form of Header.Payload.Signature"),
        ("", {"authorization": "Bearer not.a.token"}, 401, "Jwt header is an invalid JSON"),
        ("", {"authorization": "Bearer a.b.c"}, 401, "Jwt header is an invalid Base64url encoded"),
        ("", {"authorization": _bearer(exp=1)}, 401, "Jwt is expired"),
        ("", {"authorization": _bearer(iss="other")}, 401, "Jwt issuer is not configured"),
        ("", {"authorization": _bearer()[:-8] + "AAAAAAAA"}, 401, "Jwt verification fails"),
        ("audiences: [shop]", {"authorization": _bearer()}, 403, "Audiences in Jwt are not allowed"),
        ("fromHeaders: [{name: x-token}]", {"x-token": _bearer()}, 401, "Jwt header is an invalid JSON"),
    ],
)
def test_an_invalid_token_is_refused_in_envoys_words(
    rule: str, headers: Mapping[str, str], status: int, body: str
) -> None:
    """Only a wrong audience is 403."""
    answer = _answer(_tokens(rule), **headers)

    assert (answer.status, answer.body[: len(body)]) == (status, body)


@pytest.mark.parametrize("value", ["Bearer ", "bearer a.b.c", "a.b.c"])
def test_a_value_without_the_prefix_is_no_token(value: str) -> None:
    """Without a token there is nothing to refuse; Envoy compares the prefix with its case."""
    assert _seen(_tokens(""), authorization=value).headers == {"authorization": value.strip()}


def test_of_several_reasons_the_one_about_the_right_issuer_is_told() -> None:
    """An expired token is more telling than a provider of another issuer."""
    other = _tokens("").replace("jwtRules: [", f"jwtRules: [{{issuer: a, jwks: '{jwks()}'}}, ")

    assert _answer(other, authorization=_bearer(exp=1)).body == "Jwt is expired"


def test_a_valid_token_is_taken_off_and_its_claims_are_written_to_headers() -> None:
    """A list is JSON in base64; what the client has sent in such a header is removed."""
    claims = "outputClaimToHeaders: [{header: x-group, claim: group}, {header: x-sub, claim: sub}]"
    rule = f"{claims}, outputPayloadToHeader: x-payload"
    sent = _bearer(group=["a", "b"])

    seen = _seen(_tokens(rule), authorization=sent, x_group="forged")

    assert seen.headers == {"x-group": "WyJhIiwiYiJd", "x-sub": "joe", "x-payload": sent.split(".")[1]}


def test_headers_of_claims_are_removed_without_a_token_too() -> None:
    """A client cannot forge them."""
    assert _seen(_tokens("outputPayloadToHeader: x-payload"), x_payload="forged").headers == {}


def test_a_token_in_a_parameter_is_taken_off_the_path() -> None:
    """The other parameters stay."""
    seen = _seen(_tokens("fromParams: [token]"), path=f"/a?b=c&token={token()}")

    assert seen.path == "/a?b=c"


@pytest.mark.parametrize("good", ["x_first", "x_second"])
def test_all_tokens_of_a_request_must_be_valid(good: str) -> None:
    """A good one beside a bad one is not enough."""
    rule = "fromHeaders: [{name: x-first}, {name: x-second}]"
    sent = {"x_first": "a.b.c", "x_second": "a.b.c", good: token()}

    answer = _answer(_tokens(rule), **sent)

    assert answer.status == 401


def test_a_redirect_to_https_leads_to_the_path_without_the_token() -> None:
    """The filter for tokens changes the path before the redirect is made."""
    mesh = MESH.replace("hosts: [shop.test]}", "hosts: [shop.test], tls: {httpsRedirect: true}}") + _routed()
    tokens = _tokens("").replace("shop}", "istio-system}").replace("app: web", "istio: ingressgateway")

    explanation = Explainer.of(load_text(mesh + tokens).resources).explain(
        Request("shop.test", f"/a?b=c&access_token={token()}")
    )

    assert explanation.answer is not None
    assert explanation.answer.headers == {"location": "https://shop.test/a?b=c"}


@pytest.mark.parametrize(
    ("retries", "flags"),
    [("", "URX,UF"), ("retries: {attempts: 0}, ", "UF"), ("retries: {attempts: 1, retryOn: '503'}, ", "UF")],
)
def test_mtls_to_a_pod_without_a_sidecar_fails(retries: str, flags: str) -> None:
    """Nothing there takes TLS, whatever the DestinationRule asks for; URX says that it was tried again."""
    mesh = MESH.replace("metadata: {labels: {app: web}}", PLAIN_POD) + CLIENT + MUTUAL
    mesh += _routed(f"{retries}{TO_WEB}")

    explanation = Explainer.of(load_text(mesh).resources).explain(Request("web.shop", source="client"))

    assert explanation.answer is not None
    assert (explanation.answer.status, explanation.answer.flag) == (503, flags)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/a/b", True), ("/a/(b)=%20;c", True), ("/a/[b]", False), ("/a/b*", False), ("/a/", False)],
)
@pytest.mark.parametrize("template", ["/a/{*}", "/{*}/{*}"])
def test_a_path_template_stands_for_the_characters_of_paths_only(
    template: str, path: str, allowed: bool
) -> None:
    """Others, such as brackets, may be in a request all the same."""
    policy = f"""---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: paths, namespace: shop}}
spec: {{rules: [{{to: [{{operation: {{paths: ["{template}"]}}}}]}}]}}
"""

    outcome = _outcome(policy, path=path)

    assert (outcome.answer is None) is allowed


@pytest.mark.parametrize(
    ("action", "rule", "allowed"),
    [
        ("ALLOW", "{to: [{operation: {paths: [/]}}]}", False),
        ("ALLOW", "{from: [{source: {namespaces: [shop]}}]}", True),
        ("DENY", "{to: [{operation: {paths: [/other]}}]}", False),
        ("DENY", "{from: [{source: {namespaces: [other]}}]}", True),
    ],
)
def test_policies_of_a_port_that_is_not_http_do_not_look_at_requests(
    action: str, rule: str, allowed: bool
) -> None:
    """A rule about requests does not allow there, and denies every connection, which is then closed."""
    mesh = MESH.replace(
        "ports: [{name: http,", "ports: [{name: tcp, port: 90, targetPort: 8080}, {name: http,"
    )
    policy = f"""---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: one, namespace: shop}}
spec: {{action: {action}, rules: [{rule}]}}
"""

    explanation = Explainer.of(load_text(mesh + policy).resources).explain(Request("web", source="web"))

    answer = explanation.answer
    assert (answer and (answer.status, answer.flag)) == (None if allowed else (503, "UC"))


@pytest.mark.parametrize(
    ("normalization", "path"),
    [
        ("NONE", "/a/../b%2F//c"),
        ("BASE", "/b%2F//c"),
        ("MERGE_SLASHES", "/b%2F/c"),
        ("DECODE_AND_MERGE_SLASHES", "/b/c"),
    ],
)
def test_paths_are_normalized_as_the_mesh_says(normalization: str, path: str) -> None:
    """Slashes are decoded before dots are resolved, and merged after that."""
    settings = Text("mesh.yaml", f"pathNormalization: {{normalization: {normalization}}}")
    explainer = Explainer.of(load_text(MESH, mesh_config=settings).resources)

    explanation = explainer.explain(Request.to("http://web/a/../b%2F//c", source="web"))

    assert explanation.hops[0].message.path == path
