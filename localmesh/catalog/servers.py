"""The servers of Gateways: what a gateway serves on a port, and which of them exclude each other."""

from __future__ import annotations

from dataclasses import dataclass

from localmesh.catalog.credentials import Tls
from localmesh.kinds.rules.server_tls import HTTP_PROTOCOLS

HTTPS = "HTTPS"
_PASSTHROUGH = "PASSTHROUGH"
_AUTO_PASSTHROUGH = "AUTO_PASSTHROUGH"
_PASSING = frozenset({_PASSTHROUGH, _AUTO_PASSTHROUGH})


@dataclass(frozen=True, slots=True)
class ServerHost:
    """A host of a Gateway server: ``namespace/name``; the namespace is ``*`` where none is written."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a Gateway, as the pods of one workload serve it.

    `gateway` is ``namespace/name``, `index` the server's place in it; hosts are without their namespace part.
    `target_port` is where the pods listen: a Service in front of them says so for its own ports, any other
    port is its own target. `tls` is None where the server has no TLS settings.
    """

    gateway: str
    index: int
    port_name: str
    number: int
    target_port: int
    hosts: tuple[ServerHost, ...]
    protocol: str = "HTTP"
    """In capitals."""
    tls: Tls | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the Gateway."""
        return self.gateway.partition("/")[0]

    @property
    def is_http(self) -> bool:
        """Whether it takes plain HTTP, of any version."""
        return self.protocol.lower() in HTTP_PROTOCOLS

    @property
    def has_tls(self) -> bool:
        """Whether its clients use TLS, which the gateway terminates or passes on."""
        return self.tls is not None and not self.is_http

    @property
    def tls_mode(self) -> str:
        """The mode of TLS; PASSTHROUGH where none is written."""
        return str((self.tls or {}).get("mode", _PASSTHROUGH))

    @property
    def terminates_tls(self) -> bool:
        """Whether the gateway has the certificate, and decrypts what clients send."""
        return self.has_tls and self.tls_mode not in _PASSING

    @property
    def finds_clusters(self) -> bool:
        """Whether TLS is passed on to the cluster that its name (SNI) stands for, without any routes."""
        return self.has_tls and self.tls_mode == _AUTO_PASSTHROUGH

    @property
    def is_https(self) -> bool:
        """Whether it serves HTTP over TLS that the gateway terminates."""
        return self.protocol == HTTPS and self.terminates_tls

    @property
    def https_redirect(self) -> bool:
        """Whether plain HTTP is answered with a redirect to HTTPS."""
        return bool((self.tls or {}).get("httpsRedirect"))

    @property
    def route_name(self) -> str:
        """The name of its route configuration, which all plain HTTP servers of one port share."""
        if self.is_http:
            return f"http.{self.target_port}"
        namespace, _, name = self.gateway.partition("/")
        return f"https.{self.number}.{self.port_name}.{name}.{namespace}"

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts of this server that VirtualServices of a namespace may bind to."""
        return [host.name for host in self.hosts if host.namespace in ("*", namespace)]


def conflict(server: Server, older: Server) -> bool:
    """Whether one port cannot serve both (istiod: pilot/pkg/model/gateway.go, mergeGateways).

    Two servers with TLS settings, also two that only redirect, cannot have a host in common. Istio adds
    nothing but plain HTTP to a port without TLS, if that has plain HTTP, too. A server without TLS that is
    added to a port with TLS for every host would make Envoy reject the listener, and so would a second one
    that terminates TLS for a name: Istio adds it where both name a host for other namespaces.
    """
    if server.target_port != older.target_port:
        return False
    if server.tls is not None and older.tls is not None and not set(server.hosts).isdisjoint(older.hosts):
        return True
    if server.terminates_tls and older.terminates_tls and not _names(server).isdisjoint(_names(older)):
        return True
    if not older.has_tls:
        return not (older.is_http and server.is_http)
    return not server.has_tls and any(host.name == "*" for host in older.hosts)


def _names(server: Server) -> set[str]:
    return {host.name for host in server.hosts}
