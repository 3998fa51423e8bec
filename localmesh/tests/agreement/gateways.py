"""Generated Gateways with their routes: for requests and connections, from outside and to outside."""

from __future__ import annotations

from hypothesis import strategies as st

from localmesh.tests.agreement.routing import destinations, header_operations, rarely, routes
from localmesh.tests.analysis.meshes import NAMESPACES, NETWORKING, ROOT, Json, manifest, some_of

TCP_PORT = 9000
"""The port of servers that forward connections as they are."""
CREDENTIAL = "edge"
"""The Secret with the certificate of servers with TLS."""


def _plain(hosts: list[str]) -> Json:
    return {"port": {"number": 443, "name": "other", "protocol": "HTTP"}, "hosts": hosts}


def _secure(hosts: list[str]) -> Json:
    tls = {"mode": "SIMPLE", "credentialName": CREDENTIAL}
    return {"port": {"number": 443, "name": "other", "protocol": "HTTPS"}, "hosts": hosts, "tls": tls}


@st.composite
def edges(draw: st.DrawFn) -> Json:
    """A Gateway for the ingress gateway, with a server of HTTP and sometimes a second one."""
    hosts = st.sampled_from([["*"], ["*"], ["a/*"], ["*.example.com", "shop.test"], ["./*"], ["*/shop.test"]])
    servers: list[Json] = [
        {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": draw(hosts)},
        draw(st.sampled_from((_plain, _secure, _secure, _connections)))(draw(hosts)),
    ]
    if draw(rarely):
        servers[0]["tls"] = {"httpsRedirect": True}
    namespace, name = draw(st.sampled_from([("a", "edge"), ("a", "edge"), ("b", "side")]))
    spec = {"selector": {"istio": "ingressgateway"}, "servers": servers[: draw(st.integers(1, 2))]}
    return manifest(NETWORKING, "Gateway", namespace, name, spec=spec)


def _connections(hosts: list[str]) -> Json:
    return {"port": {"number": TCP_PORT, "name": "tcp", "protocol": "TCP"}, "hosts": hosts}


_INGRESS_HOST = f"istio-ingressgateway.{ROOT}.svc.cluster.local"
_EGRESS_HOST = f"istio-egressgateway.{ROOT}.svc.cluster.local"

EGRESS = manifest(
    NETWORKING,
    "Gateway",
    "a",
    "out",
    spec={
        "selector": {"istio": "egressgateway"},
        "servers": [
            {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]},
            {
                "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                "hosts": ["*"],
                "tls": {"mode": "ISTIO_MUTUAL"},
            },
        ],
    },
)
"""The Gateway of the egress gateway, in every mesh."""


@st.composite
def egress_rules(draw: st.DrawFn) -> Json:
    """How the egress gateway is called at its port with mTLS: as it asks for, or otherwise."""
    mode = draw(st.sampled_from(["ISTIO_MUTUAL"] * 4 + ["SIMPLE", "DISABLE"]))
    tls = {"mode": mode} if mode == "DISABLE" else {"mode": mode, "sni": "www.example.com"}
    policy = {"portLevelSettings": [{"port": {"number": 443}, "tls": tls}]}
    spec = {"host": _EGRESS_HOST, "trafficPolicy": policy}
    namespace = draw(st.sampled_from(["a", ROOT, ROOT]))
    return manifest(NETWORKING, "DestinationRule", namespace, "out", spec=spec)


def _to_gateway(host: str, port: int) -> Json:
    return {"route": [{"destination": {"host": host, "port": {"number": port}}}]}


@st.composite
def detours(draw: st.DrawFn) -> Json:
    """A VirtualService that sends calls in the mesh through the ingress gateway, which routes them again."""
    authority = draw(st.sampled_from(["shop.test", "www.example.com"]))
    http = [
        {
            **_to_gateway(_INGRESS_HOST, 80),
            "rewrite": {"authority": authority},
            **draw(some_of(headers=header_operations)),
        }
    ]
    return _detour(draw, {"http": http})


@st.composite
def exits(draw: st.DrawFn) -> Json:
    """A VirtualService that sends calls for a host through the egress gateway, with routes there."""
    first = {
        "match": [{"gateways": ["mesh"]}],
        **_to_gateway(_EGRESS_HOST, draw(st.sampled_from([80, 443]))),
        **draw(some_of(headers=header_operations)),
    }
    rest = [
        draw(routes(delegating=False, last=last)) for last in draw(st.sampled_from([[True], [False, True]]))
    ]
    return _detour(draw, {"gateways": ["mesh", "a/out"], "http": [first, *rest]})


def _detour(draw: st.DrawFn, spec: Json) -> Json:
    hosts = draw(st.sampled_from([["y"], ["www.example.com"], ["api.example.com"]]))
    return manifest(NETWORKING, "VirtualService", "a", "detour", spec={"hosts": hosts, **spec})


@st.composite
def connection_routes(draw: st.DrawFn) -> Json:
    """A VirtualService for the connections of the server that forwards them."""
    targets = draw(st.lists(destinations, min_size=1, max_size=2))
    weighted = [
        {"destination": target, "weight": weight} for target, weight in zip(targets, (80, 20), strict=False)
    ]
    route: Json = {"route": weighted if len(targets) > 1 else [{"destination": targets[0]}]}
    if draw(st.booleans()):
        route["match"] = [{"port": draw(st.sampled_from([TCP_PORT, TCP_PORT, 80]))}]
    namespace = draw(st.sampled_from(NAMESPACES))
    spec = {"hosts": ["*"], "gateways": ["a/edge"], "tcp": [route]}
    return manifest(NETWORKING, "VirtualService", namespace, "raw", spec=spec)
