"""The proof of TLS: the servers that it reads, requests over TLS, and verdicts."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadgen.http1 import Target
from loadgen.meshstate import MeshApi, NotConfigured, Resources
from loadgen.meshstate.gateway_api_servers import gateways_of
from loadgen.proofs.tls import Servers, cases, judge, read
from loadgen.statistics.judge import Verdict
from loadgen.tests.servers import always, json_answer, serving
from loadgen.tests.stand_in_mesh import BASE, base, manifests, named, resources
from loadgen.tls import CA, CLIENT, STRANGER, Identity, ask

HOST = "partner.example"
"""The name in the client's certificate, with which these tests serve, too."""
ANSWER = b"HTTP/1.1 200 OK\r\nserved-by: frontend/v1/pod\r\ncontent-length: 0\r\n\r\n"
SERVERS = Servers(
    "Gateway sentimesh/sentimesh",
    "sentimesh.example",
    "partners.sentimesh.example",
    frozenset({"sentimesh.example", "partners.sentimesh.example"}),
    newest_only=True,
)


@pytest.fixture(name="address")
def serve() -> Iterator[tuple[str, int]]:
    """A server that requires certificates of the CA for tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CLIENT)
    context.load_verify_locations(CA)
    context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=_answer_one, args=(listener, context), daemon=True)
    thread.start()
    yield listener.getsockname()
    listener.close()
    thread.join(timeout=5)


def _answer_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    try:
        plain, _ = listener.accept()
        with context.wrap_socket(plain, server_side=True) as connection:
            connection.recv(1000)
            connection.sendall(ANSWER)
    except OSError:
        return


def test_the_overlay_serves_two_hosts_and_redirects_both():
    """One of them requires certificates and TLS 1.3."""
    assert read(resources(manifests(*BASE, "istio/overlays/tls"))) == SERVERS


def test_listeners_of_the_gateway_api_are_read_as_servers():
    """The twin cannot require TLS 1.3; its redirects are those of a route for the plain listener alone."""
    twin = manifests("istio/base/gateway-api", "istio/overlays/tls/gateway-api")
    gateways = [item for item in twin if item["kind"] == "Gateway"]
    routes = [item for item in twin if item["kind"] == "HTTPRoute"]

    found = read(Resources("sentimesh", gateways=tuple(gateways_of(gateways, routes))))

    assert found == replace(SERVERS, newest_only=False)


def test_a_redirect_of_another_gateway_is_none():
    """Only routes whose parent is the listener count."""
    twin = manifests("istio/base/gateway-api", "istio/overlays/tls/gateway-api")
    gateways = [item for item in twin if item["kind"] == "Gateway"]
    routes = [named(twin, "HTTPRoute", "redirects")]
    for other in ({"name": "other"}, {"sectionName": "https"}, {"kind": "ListenerSet"}):
        parents = routes[0]["spec"]["parentRefs"]
        routes[0]["spec"]["parentRefs"] = [parents[0] | other]

        found = read(Resources("sentimesh", gateways=tuple(gateways_of(gateways, routes))))

        assert found.redirected == frozenset()
        routes[0]["spec"]["parentRefs"] = parents


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        (Target("127.0.0.1", 8080), Target("127.0.0.1", 9443)),
        (
            Target("istio-ingressgateway-0", 8080, "10.0.0.7"),
            Target("istio-ingressgateway-0", 8443, "10.0.0.7"),
        ),
        (Target("gateway.example", 80), Target("gateway.example", 443)),
    ],
    ids=["as named", "from a container", "of a Service"],
)
def test_port_443_is_where_the_gateway_is_reached(gateway: Target, expected: Target):
    """At the address that localmesh names, or beside the one that was given instead."""
    ports = {"http": "http://127.0.0.1:8080", "https-443": "https://127.0.0.1:9443"}
    mesh = json_answer(200, {"gateways": {"istio-ingressgateway": ports}})

    with serving(always(mesh)) as url, MeshApi(url, "sentimesh") as api:
        assert api.tls_gateway(gateway) == expected


def test_without_both_modes_nothing_is_configured():
    """On the base, and where no client needs a certificate."""
    simple = manifests(*BASE, "istio/overlays/tls")
    named(simple, "Gateway", "sentimesh")["spec"]["servers"][3]["tls"]["mode"] = "SIMPLE"

    for objects in (base(), simple):
        with pytest.raises(NotConfigured, match="apply the overlay, unedited"):
            read(resources(objects))


@pytest.mark.parametrize(
    ("certificate", "outcome"),
    [
        (CLIENT, "200 of frontend"),
        (None, "TLS: certificate required"),
        (STRANGER, "TLS: unknown ca"),
    ],
)
def test_a_server_tells_why_it_refuses(address: tuple[str, int], certificate: Path | None, outcome: str):
    """With its alert, which is not lost."""
    waiting = 0.0 if certificate is CLIENT else 5.0

    assert ask(address, HOST, "/", Identity(certificate), refusal_seconds=waiting) == outcome


def test_a_client_refuses_a_certificate_for_another_host(address: tuple[str, int]):
    """Otherwise an answer would not prove which certificate the gateway has."""
    outcome = ask(address, "other.example", "/", Identity(CLIENT))

    assert outcome.startswith("TLS: Hostname mismatch")


def test_a_gateway_that_admits_strangers_fails():
    """Each case by itself."""
    observed = {case.name: {case.expected} for case in cases(SERVERS)}
    observed["partners, a stranger's"] = {"TLS: unknown ca", "200 of frontend"}

    failing = [check.name for check in judge(SERVERS, observed) if check.verdict is Verdict.FAIL]

    assert failing == ["partners, a stranger's"]
