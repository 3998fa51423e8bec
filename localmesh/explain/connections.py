"""The connection from a proxy to a pod: which TLS the caller uses, and what the called side accepts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localmesh.catalog.security import PeerDecision
from localmesh.explain.explanation import Connection, Reference, Tls

Json = Mapping[str, Any]

_TLS = "envoy.transport_sockets.tls"
_MATCH_METADATA = "envoy.transport_socket_match"
_MESH_PROTOCOL = "istio"


def transport_socket(cluster: Json, metadata: Json) -> Json | None:
    """The transport socket with which a cluster calls an endpoint with this metadata; None: plain text."""
    marks = metadata.get(_MATCH_METADATA) or {}
    for entry in cluster.get("transportSocketMatches") or ():
        if all(marks.get(key) == value for key, value in (entry.get("match") or {}).items()):
            socket: Json = entry["transportSocket"]
            return socket if socket["name"] == _TLS else None
    socket_of_cluster: Json | None = cluster.get("transportSocket")
    return socket_of_cluster


def tls_of(socket: Json | None) -> Tls:
    """How a connection with a transport socket is secured."""
    return Tls.PLAIN if socket is None else Tls.MUTUAL


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
    if not _has_chain_for(listener, socket):
        accepted = Tls.MUTUAL if tls is Tls.PLAIN else Tls.PLAIN
        reason = f"the caller sends {tls}, and the port accepts only {accepted}"
        # a sidecar closes a connection in plain text; TLS with a port in plain text fails while connecting
        flag = "UC" if tls is Tls.PLAIN else "UF,URX"
        return replace(connection, accepted=False, reason=reason, flag=flag)
    expected = expected_identities(socket)
    if expected and server not in expected:
        reason = f"the caller expects the identity {' or '.join(expected)}, and the pod has {server}"
        return replace(connection, accepted=False, reason=reason, flag="UF,URX")
    return connection


def _has_chain_for(listener: Json, socket: Json | None) -> bool:
    """Whether a filter chain of a listener takes a connection; if none does, it is closed."""
    return any(_takes(chain.get("filterChainMatch") or {}, socket) for chain in listener["filterChains"])


def _takes(match: Json, socket: Json | None) -> bool:
    protocols = match.get("applicationProtocols")
    if match.get("transportProtocol") not in (None, "raw_buffer" if socket is None else "tls"):
        return False
    return protocols is None or (socket is not None and _MESH_PROTOCOL in protocols)
