"""The effect of policies on callers: one table of cases, real Envoys."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
import pytest

from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.security.office import GATEWAY, OUTSIDE, Answer, Request, apply, ask
from localmesh.tests.security.tokens import ISSUER, jwks, token

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("security")]

REFUSED = 0  # the connection, not the request


def _policy(kind: str, spec: str, namespace: str = "shop", name: str = "one") -> str:
    return f"""---
apiVersion: security.istio.io/v1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def allow(spec: str, namespace: str = "shop", name: str = "allow") -> str:
    return _policy("AuthorizationPolicy", spec, namespace, name)


def peer(spec: str, namespace: str = "shop", name: str = "peer") -> str:
    return _policy("PeerAuthentication", spec, namespace, name)


def _rule(tls: str) -> str:
    return f"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: web, namespace: shop}}
spec: {{host: web, trafficPolicy: {{tls: {{mode: {tls}}}}}}}
"""


FOR_WEB = "selector: {matchLabels: {app: web}}"
TOKENS = _policy(
    "RequestAuthentication", f"{{{FOR_WEB}, jwtRules: [{{issuer: '{ISSUER}', jwks: '{jwks()}'}}]}}"
)
BEARER = {group: {"Authorization": f"Bearer {token(group=group)}"} for group in ("moderator", "guest")}
LISTED = {"Authorization": f"Bearer {token(group=['guest', 'moderator'])}"}
BAD = {"Authorization": f"Bearer {token()[:-6]}AAAAAA"}
FOREIGN = {"Authorization": f"Bearer {token(iss='someone-else')}"}

CLIENT, OTHER, EDGE, STRANGER = (Request(name) for name in ("client", "other", GATEWAY, OUTSIDE))
CASES: list[tuple[str, str, tuple[tuple[Request, int], ...]]] = []


def case(name: str, policies: str, *rows: tuple[Request, int]) -> None:
    CASES.append((name, policies, rows))


case("no policy lets everybody in", "", (CLIENT, 200), (OTHER, 200), (EDGE, 200), (STRANGER, 200))
case(
    "STRICT refuses plain text and nothing else",
    peer("{mtls: {mode: STRICT}}"),
    *((CLIENT, 200), (OTHER, 200), (EDGE, 200), (STRANGER, REFUSED)),
)
case(
    "STRICT of the whole mesh, one workload exempt",
    peer("{mtls: {mode: STRICT}}", "istio-system") + peer(f"{{{FOR_WEB}, mtls: {{mode: PERMISSIVE}}}}"),
    *((CLIENT, 200), (STRANGER, 200)),
)
case(
    "DISABLE is understood by callers",
    peer(f"{{{FOR_WEB}, mtls: {{mode: DISABLE}}}}"),
    *((CLIENT, 200), (OTHER, 200), (EDGE, 200), (STRANGER, 200)),
)
case(
    "DISABLE of one port only",
    peer(f"{{{FOR_WEB}, mtls: {{mode: STRICT}}, portLevelMtls: {{8080: {{mode: DISABLE}}}}}}"),
    *((CLIENT, 200), (STRANGER, 200)),
)
case(
    "a caller configured for plain text is refused by STRICT",
    peer("{mtls: {mode: STRICT}}") + _rule("DISABLE"),
    *((CLIENT, 503), (EDGE, 503)),
)
case(
    "a caller configured for mTLS is refused by DISABLE",
    peer("{mtls: {mode: DISABLE}}") + _rule("ISTIO_MUTUAL"),
    *((CLIENT, 503), (STRANGER, 200)),
)
case(
    "plain text is allowed if callers are configured for it",
    _rule("DISABLE"),
    *((CLIENT, 200), (EDGE, 200)),
)
case("nothing is allowed by a policy without rules", allow("{}"), (CLIENT, 403), (STRANGER, 403), (EDGE, 403))
case("everything is allowed by the empty rule", allow("{rules: [{}]}"), (CLIENT, 200), (STRANGER, 200))
case(
    "a caller is known by its ServiceAccount",
    allow(
        f"{{{FOR_WEB}, rules: [{{from: [{{source: {{principals: [cluster.local/ns/shop/sa/client]}}}}]}}]}}"
    ),
    *((CLIENT, 200), (OTHER, 403), (EDGE, 403), (STRANGER, 403)),
)
case(
    "a ServiceAccount may be named without its trust domain",
    allow("{rules: [{from: [{source: {serviceAccounts: [client]}}]}]}"),
    *((CLIENT, 200), (OTHER, 403), (STRANGER, 403)),
)
case(
    "the gateway has its own identity",
    allow(
        "{rules: [{from: [{source: {principals: "
        "[cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account]}}]}]}"
    ),
    *((EDGE, 200), (CLIENT, 403)),
)
case(
    "a caller is known by its namespace, also by not having it",
    allow("{action: DENY, rules: [{from: [{source: {notNamespaces: [shop, istio-system]}}]}]}"),
    *((CLIENT, 200), (EDGE, 200), (OTHER, 403), (STRANGER, 403)),
)
case(
    "methods, paths and the container's port count together",
    allow('{rules: [{to: [{operation: {methods: [GET], paths: ["/a*", "/x/{*}/y"], ports: ["8080"]}}]}]}'),
    *((Request("client", "/a/b"), 200), (Request("client", "/a/b", "POST"), 403)),
    *((Request("client", "/x/1/y?q=/a"), 200), (Request("client", "/x/1/2/y"), 403)),
)
case(
    "another port's rule allows nothing here",
    allow('{rules: [{to: [{operation: {ports: ["9090"]}}]}]}'),
    (CLIENT, 403),
)
case(
    "DENY comes before ALLOW",
    allow("{rules: [{}]}")
    + allow("{action: DENY, rules: [{to: [{operation: {paths: [/admin]}}]}]}", name="deny"),
    *((CLIENT, 200), (Request("client", "/admin"), 403)),
)
case(
    "a header is a condition",
    allow('{rules: [{when: [{key: "request.headers[x-team]", values: ["red*"]}]}]}'),
    *((Request("client", headers={"x-team": "redder"}), 200), (CLIENT, 403)),
)
case(
    "a dry run refuses no request",
    allow("{}").replace("name: allow,", 'name: allow, annotations: {istio.io/dry-run: "true"},'),
    (CLIENT, 200),
)
case(
    "the gateway's policy is the gateway's alone",
    allow(
        "{selector: {matchLabels: {istio: ingressgateway}}, "
        'rules: [{to: [{operation: {paths: ["/pub*"]}}]}]}',
        "istio-system",
    ),
    *((Request(GATEWAY, "/public"), 200), (EDGE, 403), (CLIENT, 200)),
)
case(
    "a policy of another namespace means nothing here",
    allow("{}", "office")
    + allow("{action: DENY, rules: [{}], selector: {matchLabels: {app: client}}}", name="deny"),
    (CLIENT, 200),
)
case(
    "a bad token is refused, none is not",
    TOKENS,
    *((CLIENT, 200), (Request("client", headers=BEARER["guest"]), 200)),
    *((Request("client", headers=BAD), 401), (Request("client", headers=FOREIGN), 401)),
    (Request(GATEWAY, headers=BAD), 401),
)
case(
    "a token's claim decides",
    TOKENS
    + allow(
        f'{{{FOR_WEB}, rules: [{{from: [{{source: {{requestPrincipals: ["{ISSUER}/*"]}}}}], '
        'when: [{key: "request.auth.claims[group]", values: [moderator]}]}]}'
    ),
    *((Request("client", headers=BEARER["moderator"]), 200), (Request("client", headers=LISTED), 200)),
    *(
        (Request("client", headers=BEARER["guest"]), 403),
        (CLIENT, 403),
        (Request("client", headers=BAD), 401),
    ),
)


def authorizer(path: str, more: str = "") -> str:
    """The mesh-wide settings with an authorizer: a stub, which answers with the status in the path."""
    settings = f"service: other.office.svc.cluster.local, port: 80, pathPrefix: {path}, {more}"
    return f"""---
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |
    extensionProviders: [{{name: stub, envoyExtAuthzHttp: {{{settings}}}}}]
"""


ON_PATHS_WITH_A = 'rules: [{to: [{operation: {paths: ["/a*"]}}]}]'
ASK = allow(f"{{{FOR_WEB}, action: CUSTOM, provider: {{name: stub}}, {ON_PATHS_WITH_A}}}")
case(
    "an authorizer is asked about what a CUSTOM policy matches, and its refusal is the answer",
    authorizer("/status/418") + ASK,
    *((Request("client", "/a"), 418), (Request("client", "/b"), 200), (Request(GATEWAY, "/a"), 418)),
)
case(
    "what an authorizer allows still has to be allowed by other policies",
    authorizer("/status/200") + ASK + allow("{rules: [{to: [{operation: {paths: [/a]}}]}]}", name="then"),
    *((Request("client", "/a"), 200), (Request("client", "/a/b"), 403)),
)
case(
    "an authorizer that fails denies, unless it fails open",
    authorizer("/status/500", 'statusOnError: "503"') + ASK,
    *((Request("client", "/a"), 503), (Request("client", "/b"), 200)),
)
case(
    "an authorizer that fails open",
    authorizer("/status/500", "failOpen: true") + ASK,
    (Request("client", "/a"), 200),
)
case(
    "an authorizer that the mesh does not have",
    ASK,
    (Request("client", "/a"), 403),
    (Request("client", "/b"), 200),
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Answer]]:
    """The answers to the requests of each case, in one mesh; a case applies once its apply has returned."""
    return asyncio.run(_ask_all(MeshSettings(folder := tmp_path_factory.mktemp("office"), folder)))


async def _ask_all(settings: MeshSettings) -> Mapping[str, list[Answer]]:
    answers: dict[str, list[Answer]] = {}
    # a connection that is kept alive stays in the mTLS mode that it was opened with, until it is drained
    connector = aiohttp.TCPConnector(force_close=True)
    async with Mesh(settings) as mesh, aiohttp.ClientSession(connector=connector) as session:
        for name, policies, rows in CASES:
            await apply(mesh, policies)
            answers[name] = [await ask(mesh, request, session) for request, _ in rows]
    return answers


@pytest.mark.parametrize("name", [name for name, _, _ in CASES])
def test_requests_get_the_status_that_the_policies_require(
    name: str, answers: Mapping[str, list[Answer]]
) -> None:
    """Each request of a case gets its status from real Envoys; 0: the connection was refused."""
    rows = next(rows for case_name, _, rows in CASES if case_name == name)

    got = [(request, answer.status) for (request, _), answer in zip(rows, answers[name], strict=True)]

    assert got == list(rows)
