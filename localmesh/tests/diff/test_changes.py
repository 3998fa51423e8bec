"""What changes for whom, in words: one edit of the shop at a time."""

from __future__ import annotations

import pytest

from localmesh.catalog import ProxyKind
from localmesh.diff.proxies import Comparison
from localmesh.diff.reports import REPORTS
from localmesh.tests.diff.shop import (
    SERVICES,
    SHOP,
    SUBSETS,
    WORKLOADS,
    deployment,
    difference,
    istio,
    lines,
    routes,
    split,
)
from localmesh.translate import ProxyConfig

SIDECARS = "web-v1 api-v1 api-v2"
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
        ["?debug = yes!: rule added as number 1 of 2, to v2 (VirtualService shop/api)"],
    ),
    "rule removed": (
        routes(f"{rule('match: [{uri: {prefix: /a}}]', 'v2')}\n{TO_V1}"),
        routes(TO_V1),
        ["/a*: rule removed, to v2 (VirtualService shop/api)"],
    ),
    "rules reordered": (
        routes(f"{rule('match: [{uri: {prefix: /a}}]')}\n{rule('match: [{uri: {prefix: /ab}}]', 'v2')}"),
        routes(f"{rule('match: [{uri: {prefix: /ab}}]', 'v2')}\n{rule('match: [{uri: {prefix: /a}}]')}"),
        ["/a*: rule moved from number 1 to 2"],
    ),
    "redirect": (
        routes(TO_V1),
        routes("- redirect: {uri: /new, redirectCode: 302}"),
        ["all requests: to v1 → redirect to /new (302)"],
    ),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_changed_route_is_reported_for_all_that_call_it(name: str) -> None:
    """Each setting of a route has words, and all sidecars have the change, the gateway does not."""
    before, after, texts = ROUTES[name]

    assert lines(SHOP + before, SHOP + after) == [f"{SIDECARS} | → api.shop:80 | {text}" for text in texts]


def test_a_port_that_becomes_tcp_is_one_change_of_its_protocol() -> None:
    """Not one for each setting of the HTTP filters that are gone, and requests of the old routes."""
    changes = lines(SHOP, SHOP.replace("{name: http, port: 80", "{name: tcp, port: 80"))

    incoming = [line.partition("incoming requests, port ")[2] for line in changes if "incoming" in line]
    assert incoming
    assert {line.partition(" | ")[2] for line in incoming} == {
        "protocol: HTTP → TCP",
        "requests no longer read",
    }


def test_a_gateway_without_routes_says_that_it_answers_404() -> None:
    """Its virtual host has a name that is Istio's, and no rules."""
    route = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: shop}
spec: {hosts: [shop.example], gateways: [edge], http: [{route: [{destination: {host: api}}]}]}
"""

    changes = lines(SHOP + route, SHOP + route.replace("gateways: [edge]", "gateways: [egde]"))

    assert any(
        line.endswith("→ any host, port 80 | requests get 404: no VirtualService has routes here")
        for line in changes
    ), changes


def test_a_change_names_the_proxies_without_it() -> None:
    """The gateway has no route to the Service, so it stays as it is."""
    assert difference(SHOP + split(80, 20), SHOP + split(50, 50)).unchanged == ("istio-ingressgateway",)


def rule_for(settings: str, host: str = "api", subsets: str = "") -> str:
    """A DestinationRule with a traffic policy."""
    return istio("DestinationRule", f"{host}-policy", f"host: {host}\ntrafficPolicy: {settings}\n{subsets}")


ALL = f"{SIDECARS} istio-ingressgateway"
DEFAULT = "{loadBalancer: {simple: LEAST_REQUEST}}"
DESTINATIONS = {
    "load balancer": (
        DEFAULT,
        "{loadBalancer: {simple: ROUND_ROBIN}}",
        "load balancing: least request → round robin",
    ),
    "outlier detection": (
        DEFAULT,
        "{outlierDetection: {consecutive5xxErrors: 3, baseEjectionTime: 5s}}",
        "outlier detection: none → consecutive 5xx errors 3, for 5 s",
    ),
    "one setting of outlier detection": (
        "{outlierDetection: {consecutive5xxErrors: 3, interval: 1s}}",
        "{outlierDetection: {consecutive5xxErrors: 7, interval: 1s}}",
        "outlier detection, consecutive 5xx errors: 3 → 7",
    ),
    "connections": (
        DEFAULT,
        "{connectionPool: {tcp: {maxConnections: 5}}}",
        "connections at most: unlimited → 5",
    ),
    "idle connections": (
        DEFAULT,
        "{connectionPool: {http: {idleTimeout: 5s}}}",
        "idle timeout: none → 5 s",
    ),
    "TLS": (DEFAULT, "{tls: {mode: DISABLE}}", "TLS: mTLS where the pod accepts it → none"),
}


@pytest.mark.parametrize("name", DESTINATIONS)
def test_a_changed_destination_policy_is_reported_for_all_that_may_call_it(name: str) -> None:
    """Gateways can route to every Service, so they have the change as well."""
    before, after, text = DESTINATIONS[name]

    assert f"{ALL} | → web.shop:80 | {text}" in lines(
        SHOP + rule_for(before, "web"), SHOP + rule_for(after, "web")
    )


def test_a_changed_subset_has_its_pods() -> None:
    """The endpoints of the subset, and those of the others stay."""
    v1 = "host: api\nsubsets: [{name: one, labels: {version: v1}}]"
    both = v1.replace("version: v1", "app: api")

    changed = lines(
        SERVICES + WORKLOADS + istio("DestinationRule", "api", v1),
        SERVICES + WORKLOADS + istio("DestinationRule", "api", both),
    )

    assert changed == [
        f"{SIDECARS} | → api.shop:80 | subset one: endpoints: api-v1:8080 → api-v1:8080, api-v2:8080"
    ]


def test_an_added_service_is_reported_with_its_route_and_endpoints() -> None:
    """What a caller can now reach."""
    new = SERVICES.partition("---")[0].replace("web", "new")

    changed = lines(SHOP, f"{SHOP}\n---\n{new}{deployment('new', 'v1')}")

    assert changed == [
        f"{SIDECARS} | → new.shop:80 | all requests: added, to new.shop:80",
        f"{ALL} | → new.shop:80 | added, endpoints: new-v1:8080",
    ]


POLICY_CHANGES = {
    "authorization": (
        "AuthorizationPolicy",
        "rules: [{from: [{source: {namespaces: [shop]}}], to: [{operation: {methods: [GET]}}]}]",
        [
            "incoming requests | AuthorizationPolicy shop/it, rule 0 added: "
            "ALLOW caller in namespace shop and method = GET",
            "incoming requests | requests that no ALLOW rule matches: accepted → 403",
        ],
    ),
    "ServiceAccount": (
        "AuthorizationPolicy",
        "action: DENY\nrules: [{from: [{source: {serviceAccounts: [api]}}]}]",
        [
            "incoming requests | AuthorizationPolicy shop/it, rule 0 added: "
            "DENY caller with ServiceAccount shop/api"
        ],
    ),
    "authentication": (
        "RequestAuthentication",
        'jwtRules: [{issuer: shop, jwks: \'{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}\'}]',
        ["incoming requests | tokens of shop: now checked"],
    ),
    "mTLS": (
        "PeerAuthentication",
        "mtls: {mode: STRICT}",
        ["incoming requests, port 8080 | mTLS: PERMISSIVE → STRICT"],
    ),
}


@pytest.mark.parametrize("name", POLICY_CHANGES)
def test_a_policy_is_reported_for_the_workloads_that_it_selects(name: str) -> None:
    """Callers are not concerned, except by what their calls are answered."""
    kind, spec, texts = POLICY_CHANGES[name]
    policy = istio(kind, "it", f"selector: {{matchLabels: {{app: web}}}}\n{spec}", "security")

    assert lines(SHOP, SHOP + policy) == [f"web-v1 | {text}" for text in texts]
    assert difference(SHOP, SHOP + policy).unchanged == ("api-v1", "api-v2", "istio-ingressgateway")


def test_a_listener_of_a_gateway_is_reported() -> None:
    """A server on another port."""
    server = "[{port: {number: 8081, name: http, protocol: HTTP}, hosts: ['*']}]"
    second = istio("Gateway", "second", f"selector: {{istio: ingressgateway}}\nservers: {server}")

    changed = lines(SHOP, SHOP + second)

    assert "istio-ingressgateway | listener 0.0.0.0_8081 | listens at 10.244.0.5:8081" in changed


def test_more_replicas_are_proxies_and_endpoints() -> None:
    """The new proxies are counted, and not reported as changes of the old ones."""
    more = SERVICES + deployment("web", "v1", replicas=3)

    result = difference(SERVICES + deployment("web", "v1"), more)

    assert [(change.workload, change.before, change.after) for change in result.replicas] == [
        ("web-v1", 1, 3)
    ]
    assert [change.text for change in result.changes] == ["endpoints: web-v1:8080 → 3 × web-v1:8080"]


def test_a_changed_template_changes_the_object_only() -> None:
    """Its pods get other names; their addresses and the order of endpoints stay what they are."""
    result = difference(SHOP, SHOP.replace("name: api, image: stub", "name: api, image: stub:2"))

    assert (result.replicas, result.changes) == ((), ())
    assert [change.subject for change in result.objects] == [
        "Deployment shop/api-v1",
        "Deployment shop/api-v2",
    ]
    assert bool(result)


def test_without_workloads_the_change_is_that_of_any_sidecar_there() -> None:
    """A repository of Istio's objects alone has nothing to run, but they still say how requests go."""
    changed = lines(SERVICES + SUBSETS + split(80, 20), SERVICES + SUBSETS + split(50, 50))

    assert changed == [
        "any sidecar in shop | → api.shop:80 | all requests: v1 80 % → 50 %, v2 20 % → 50 %",
    ]


def test_workloads_of_one_name_in_two_namespaces_have_their_namespaces() -> None:
    """The name alone is not enough, so that both have their namespace behind it."""
    elsewhere = SHOP.replace("namespace: shop", "namespace: other")
    both = f"{SHOP}\n---\n{elsewhere}"

    (change,) = difference(both + split(80, 20), both + split(50, 50)).changes

    assert change.proxies[0] == "web-v1.shop"


def test_a_change_without_effect_is_a_change_of_the_object_only() -> None:
    """A rule after one for all requests is never reached."""
    result = difference(SHOP + routes(TO_V1), SHOP + routes(f"{TO_V1}\n{TO_V2}"))

    assert result.changes == ()
    assert [change.subject for change in result.objects] == ["VirtualService shop/api"]


def test_a_policy_of_the_root_namespace_is_reported_for_all() -> None:
    """It selects no workload, and no namespace either."""
    policy = istio("PeerAuthentication", "default", "mtls: {mode: STRICT}", "security")

    changed = lines(SHOP, SHOP + policy.replace("namespace: shop", "namespace: istio-system"))

    assert changed == [f"{SIDECARS} | incoming requests, port 8080 | mTLS: PERMISSIVE → STRICT"]


SECRET = """
---
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: shop}
stringData: {password: PASSWORD}
"""


def test_secrets_are_not_shown() -> None:
    """A changed Secret has its name and its field, in no format its content."""
    before, after = (SHOP + SECRET.replace("PASSWORD", word) for word in ("hidden-1", "hidden-2"))

    result = difference(before, after)

    (change,) = result.objects
    assert [(edit.field, edit.before, edit.after) for edit in change.fields] == [
        ("stringData.password", "*** (before)", "*** (after)")
    ]
    assert not any("hidden" in report(result) for report in REPORTS.values())


def test_the_credential_of_a_gateway_is_reported_without_its_content() -> None:
    """The proxy gets another certificate, and its key is not shown."""
    first, second = (
        ProxyConfig(
            secrets=({"name": "kubernetes://web", "tlsCertificate": {"privateKey": {"inlineBytes": key}}},)
        )
        for key in ("hidden-1", "hidden-2")
    )

    (change,) = Comparison().changes(first, second, ProxyKind.GATEWAY)

    assert (change.subject, change.text) == ("credential kubernetes://web", "changed")
    assert "hidden" not in repr(change)


def test_a_destination_that_does_not_exist_is_reported() -> None:
    """Istio accepts it; the route is the change that causes it, or the removal of the subset is."""
    without_v2 = SHOP.replace(", {name: v2, labels: {version: v2}}", "")
    note = "api.shop:80 v2 does not exist, so that it is answered with 503"

    routed = lines(without_v2 + routes(TO_V1), without_v2 + routes(TO_V2))
    removed = lines(SHOP + routes(TO_V2), without_v2 + routes(TO_V2))

    assert routed == [f"{SIDECARS} | → api.shop:80 | all requests: v1 → v2; {note}"]
    assert f"{SIDECARS} | → api.shop:80 | subset v2: removed, endpoints: api-v2:8080; {note}" in removed
