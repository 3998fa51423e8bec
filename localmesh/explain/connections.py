"""The connection from a proxy to a pod: which TLS the caller uses, and what the called side accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localmesh.catalog import MutualTls, Service, ServicePort
from localmesh.catalog.called_hosts import names_of, names_of_pod
from localmesh.catalog.hosts import overlap
from localmesh.catalog.security import PeerDecision
from localmesh.explain.explanation import Connection, Reference, Tls
from localmesh.explain.prepared import PreparedProxy
from localmesh.explain.request import Message
from localmesh.translate.outbound_connections import listener_name
from localmesh.translate.tls import CERTIFICATE

Json = Mapping[str, Any]


def tls_of(socket: Json | None) -> Tls:
    """How a connection with a transport socket is secured."""
    if socket is None:
        return Tls.PLAIN
    return Tls.MUTUAL if is_of_mesh(socket) else Tls.OTHER


def is_of_mesh(socket: Json | None) -> bool:
    """Whether a caller shows its certificate of the mesh, so that its identity is known."""
    if socket is None:
        return False
    certificates = socket["typedConfig"]["commonTlsContext"].get("tlsCertificateSdsSecretConfigs") or ()
    return any(certificate["name"] == CERTIFICATE for certificate in certificates)


def gateway_chain(listener: Json, message: Message) -> tuple[Json | None, str]:
    """The filter chain of a gateway's listener that takes a connection; without one, why there is none.

    The server name is the one that the caller asks for (SNI): from outside, the host.
    """
    is_secure = message.scheme == "https"
    name = (message.server_name or message.host) if is_secure else ""
    fitting = [
        (specificity, chain)
        for chain in listener["filterChains"]
        if (specificity := _specificity(chain, name)) is not None
    ]
    if not fitting:
        asked = f"TLS for {name}" if is_secure else "plain HTTP"
        return None, f"this port of the gateway takes TLS for certain names only, and not {asked}"
    chain = max(fitting, key=lambda entry: entry[0])[1]
    if not route_name_of(chain):
        return chain, ""
    socket = chain.get("transportSocket")
    if is_secure != (socket is not None):
        taken, asked = ("TLS", "plain HTTP") if socket else ("plain HTTP", "TLS")
        return None, f"this port of the gateway takes {taken}, and not {asked}"
    if is_of_mesh(socket) and not message.identity:
        return None, "this server takes mTLS of the mesh only, and the caller has no identity there"
    return chain, ""


def connection_listener(prepared: PreparedProxy, message: Message) -> Json | None:
    """The listener of a sidecar for the TCP port of a Service that a message is for; None if it is HTTP."""
    called = called_port(prepared, message)
    if called is None:
        return None
    service, port = called
    pods = {
        host: names_of_pod(pod, service, prepared.proxy.namespace) for host, pod in service.pod_hosts.items()
    }
    host = next((host for host, names in pods.items() if message.host in names), service.host)
    return prepared.listeners.get(listener_name(host, port.number))


def called_port(prepared: PreparedProxy, message: Message) -> tuple[Service, ServicePort] | None:
    """The TCP port that a sidecar's application calls with a message, and its Service; None if it is HTTP."""
    namespace = prepared.proxy.namespace
    for host, port in prepared.proxy.connections if not prepared.is_gateway else ():
        service = prepared.catalog.service(host)
        if port != message.port or service is None:
            continue
        hosts = (host, *service.aliases)
        names = {name for called in hosts for name in names_of(called, namespace)}
        names.update(name for pod in service.pod_names for name in names_of_pod(pod, service, namespace))
        called_as = service.port(port)
        if called_as is not None and (message.host in names or overlap(host, message.host)):
            return service, called_as
    return None


def connection_chain(listener: Json, message: Message) -> Json:
    """The filter chain of a listener for TCP that takes a connection: that for the name, or the default."""
    name = message.host if message.scheme == "https" else ""
    fitting = [
        (specificity, chain)
        for chain in listener["filterChains"]
        if (specificity := _specificity(chain, name)) is not None
    ]
    chosen: Json = max(fitting, key=lambda entry: entry[0])[1] if fitting else listener["defaultFilterChain"]
    return chosen


def _specificity(chain: Json, name: str) -> int | None:
    """How exactly a filter chain names a server; None if it is for others."""
    names = (chain.get("filterChainMatch") or {}).get("serverNames")
    if not names:
        return 0
    exact = [len(own) + 1 for own in names if own == name]
    wild = [len(own) for own in names if own.startswith("*.") and name.endswith(own[1:])]
    return max((*exact, *wild), default=None)


def route_name_of(chain: Json) -> str:
    """The route configuration of a filter chain; "" if it forwards connections without reading them."""
    settings = chain["filters"][-1]["typedConfig"]
    return str((settings.get("rds") or {}).get("routeConfigName", ""))


def server_name_of(socket: Json | None) -> str:
    """The name that the caller asks for (SNI)."""
    return "" if socket is None else str(socket["typedConfig"].get("sni", ""))


def expected_identities(socket: Json | None) -> tuple[str, ...]:
    """The identities of which the called side must prove one; empty for any of the mesh."""
    if socket is None:
        return ()
    context = socket["typedConfig"]["commonTlsContext"].get("combinedValidationContext") or {}
    names = (context.get("defaultValidationContext") or {}).get("matchSubjectAltNames") or ()
    return tuple(name["exact"] for name in names if "exact" in name)


def connection_to(
    listener: Json, socket: Json | None, decision: PeerDecision, client: str, server: str
) -> Connection:
    """The connection to an inbound listener, whose port accepts what `decision` says."""
    tls = tls_of(socket)
    policy = Reference(decision.resource, decision.path) if decision.resource is not None else None
    connection = Connection(tls, decision.mode.value, client, server, policy)
    chain = chain_for(listener, socket)
    if chain is None:
        accepted = "mTLS" if decision.mode is MutualTls.STRICT else "plain text"
        reason = f"the caller sends {tls}, and the port accepts only {accepted}"
        # a sidecar closes a connection in plain text; TLS that it does not accept fails while connecting
        flag = "UC" if tls is Tls.PLAIN else "UF"
        return replace(connection, accepted=False, reason=reason, flag=flag)
    expected = expected_identities(socket)
    if expected and server not in expected:
        reason = f"the caller expects the identity {' or '.join(expected)}, and the pod has {server}"
        return replace(connection, accepted=False, reason=reason, flag="UF")
    return replace(connection, is_tcp=passes_connections(chain))


def passes_connections(chain: Json) -> bool:
    """Whether a filter chain passes connections on without looking at requests, as the port is not HTTP."""
    return "httpFilters" not in chain["filters"][-1]["typedConfig"]


def chain_for(listener: Json, socket: Json | None) -> Json | None:
    """The filter chain of an inbound listener that takes a connection; without one it is closed."""
    return next((chain for chain in listener["filterChains"] if _takes(chain, socket)), None)


def _takes(chain: Json, socket: Json | None) -> bool:
    wanted = (chain.get("filterChainMatch") or {}).get("transportProtocol")
    if wanted not in (None, "raw_buffer" if socket is None else "tls"):
        return False
    # where the sidecar terminates TLS, it asks every caller for a certificate of the mesh
    return is_of_mesh(socket) or "transportSocket" not in chain
