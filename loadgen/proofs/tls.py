"""TLS at the gateway: one host for everyone, one for clients with a certificate, and redirects to both.

Each request has a connection of its own. The client trusts one CA alone, so an answer proves that the gateway
presented the certificate of the Secret for the host that was asked for. Refusals are told apart by the alert
of TLS that the gateway sends: no certificate, one of a stranger, a version that is too old.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from loadgen.meshstate import NotConfigured, Resources
from loadgen.meshstate.resources import Object
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Check, exact_check
from loadgen.tls import CLIENT, STRANGER, Identity, ask

REMEDY = remedy("tls")
PATH = "/about"
ANSWERED = "200 of frontend"
UNKNOWN_HOST = "stranger.example"
TIMES = 5
REFUSAL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Servers:
    """The hosts of the Gateway's servers: for everyone, for clients with a certificate, and for redirects."""

    where: str
    simple: str
    mutual: str
    redirected: frozenset[str]
    newest_only: bool
    """Whether the one for clients with a certificate requires TLS 1.3."""


@dataclass(frozen=True, slots=True)
class Case:
    """A connection and its expected outcome; without an identity, in plain text."""

    name: str
    host: str
    identity: Identity | None
    expected: str


def read(resources: Resources) -> Servers:
    """The servers at port 443 and the redirects; raises NotConfigured where one is missing."""
    for gateway in resources.gateways:
        where = f"Gateway {resources.namespace}/{gateway['metadata']['name']}"
        servers = gateway["spec"].get("servers", ())
        by_mode = {_tls(server).get("mode", "SIMPLE"): server for server in servers if _is_https(server)}
        if not by_mode:
            continue
        missing = [mode for mode in ("SIMPLE", "MUTUAL") if mode not in by_mode]
        if missing:
            raise NotConfigured(f"{where} has no server with the mode {' or '.join(missing)}; {REMEDY}")
        redirected = frozenset(
            host for server in servers if _tls(server).get("httpsRedirect") for host in server["hosts"]
        )
        oldest = str(_tls(by_mode["MUTUAL"]).get("minProtocolVersion"))
        return Servers(
            where,
            str(by_mode["SIMPLE"]["hosts"][0]),
            str(by_mode["MUTUAL"]["hosts"][0]),
            redirected,
            oldest == "TLSV1_3",
        )
    raise NotConfigured(f"no Gateway of namespace {resources.namespace} serves HTTPS at port 443; {REMEDY}")


def _tls(server: Object) -> Mapping[str, object]:
    return server.get("tls") or {}


def _is_https(server: Object) -> bool:
    return (server["port"]["protocol"], server["port"]["number"]) == ("HTTPS", 443)


def facts(servers: Servers) -> dict[str, str]:
    """The hosts and their modes."""
    return {
        "configured": f"{servers.where}: {servers.simple} SIMPLE, {servers.mutual} MUTUAL, "
        f"redirects of {', '.join(sorted(servers.redirected)) or 'no host'}"
    }


def cases(servers: Servers) -> list[Case]:
    """Who connects, and the outcome."""
    simple, mutual = servers.simple, servers.mutual
    older = Identity(CLIENT, ssl.TLSVersion.TLSv1_2)
    return [
        Case("redirect, everyone's host", simple, None, f"301 to https://{simple}{PATH}"),
        Case("redirect, partners' host", mutual, None, f"301 to https://{mutual}{PATH}"),
        Case("plain HTTP, other hosts", UNKNOWN_HOST, None, ANSWERED),
        Case("everyone, no certificate", simple, Identity(), ANSWERED),
        Case("partners, a certificate", mutual, Identity(CLIENT), ANSWERED),
        Case("partners, no certificate", mutual, Identity(), "TLS: certificate required"),
        Case("partners, a stranger's", mutual, Identity(STRANGER), "TLS: unknown ca"),
        Case(
            "partners, TLS 1.2",
            mutual,
            older,
            "TLS: protocol version" if servers.newest_only else ANSWERED,
        ),
        Case("HTTPS, other hosts", UNKNOWN_HOST, Identity(), "TLS: connection closed"),
    ]


def measure(context: ProofContext, servers: Servers) -> dict[str, set[str]]:
    """The outcomes of each case, by its name."""
    plain, secure = context.gateway, context.api.tls_gateway(context.gateway)
    connections = cases(servers)
    context.listener.begin(
        f"{TIMES * len(connections)} connections to {plain.host}:{plain.port} and :{secure.port}",
        TIMES * len(connections),
    )
    observed: dict[str, set[str]] = {}
    for number, case in enumerate(connections):
        target = plain if case.identity is None else secure
        address = (target.connect_to, target.port)
        seconds = 0.0 if case.expected == ANSWERED else REFUSAL_SECONDS
        observed[case.name] = set()
        for _ in range(TIMES):
            outcome = ask(address, case.host, PATH, case.identity, refusal_seconds=seconds)
            observed[case.name].add(outcome)
            if (
                outcome != case.expected
            ):  # one is enough to fail, and to wait for a refusal that does not come
                break
        context.listener.progress(TIMES * (number + 1))
    context.listener.end()
    return observed


def judge(servers: Servers, observed: Mapping[str, set[str]]) -> list[Check]:
    """One check for each case: every connection ends the same way."""
    return [
        exact_check(case.name, case.expected, " or ".join(sorted(observed.get(case.name, ()))) or None)
        for case in cases(servers)
    ]


PROOF = Proof(
    scenario="tls",
    proves="the gateway serves HTTPS, asks clients of one host for certificates, and redirects plain HTTP",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
