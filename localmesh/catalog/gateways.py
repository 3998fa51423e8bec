"""Gateways: the servers that an ingress gateway's proxies open, from all Gateway objects that select it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localmesh.kinds.gateway import GATEWAY
from localmesh.manifests import Resource, of_kind

# The ports of the ingress gateway's Service in Istio's default profile, and where its pods listen.
HTTP_TARGET_PORT = 8080
_TARGET_PORTS = {80: HTTP_TARGET_PORT, 443: 8443}
_DEFAULT_SELECTOR = {"istio": "ingressgateway"}
SYSTEM_NAMESPACE = "istio-system"


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a Gateway: `gateway` is ``namespace/name``; hosts are without their namespace part."""

    gateway: str
    number: int
    protocol: str
    hosts: tuple[ServerHost, ...]
    https_redirect: bool

    @property
    def target_port(self) -> int:
        """The port at which the gateway's pods listen for this server."""
        return _TARGET_PORTS.get(self.number, self.number)

    @property
    def route_name(self) -> str:
        """The name of the route configuration that all plain HTTP servers of one port share."""
        return f"http.{self.target_port}"

    def hosts_for(self, namespace: str) -> list[str]:
        """The hosts of this server that VirtualServices of a namespace may bind to."""
        return [host.name for host in self.hosts if host.namespace in ("*", namespace)]


@dataclass(frozen=True, slots=True)
class ServerHost:
    """A host of a Gateway server: ``namespace/name``; the namespace is ``*`` where none is written."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class GatewayWorkload:
    """The gateway that a selector means, named after the selector's value, as Istio installs it."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    servers: tuple[Server, ...]

    @property
    def service_account(self) -> str:
        """The ServiceAccount of its pods: ``istio-ingressgateway-service-account`` for Istio's own."""
        prefix = "istio-" if "istio" in self.labels else ""
        return f"{prefix}{self.name}-service-account"


def gateway_workloads(resources: Iterable[Resource]) -> tuple[GatewayWorkload, ...]:
    """One gateway per distinct selector among the Gateway objects, its servers oldest first."""
    by_selector: dict[tuple[tuple[str, str], ...], list[Server]] = {}
    gateways = sorted(of_kind(resources, GATEWAY), key=lambda gateway: gateway.order)
    for gateway in gateways:
        selector = tuple(sorted((gateway.spec.get("selector") or _DEFAULT_SELECTOR).items()))
        by_selector.setdefault(selector, []).extend(_servers(gateway))
    return tuple(
        GatewayWorkload(
            name=dict(selector).get("istio") or selector[0][1],
            namespace=SYSTEM_NAMESPACE,
            labels=_pod_labels(dict(selector)),
            servers=tuple(servers),
        )
        for selector, servers in by_selector.items()
    )


def _pod_labels(selector: Mapping[str, str]) -> Mapping[str, str]:
    """The labels of a gateway's pods, as far as they are known: policies may select by them."""
    return {**selector, "app": "istio-ingressgateway"} if selector == _DEFAULT_SELECTOR else selector


def _servers(gateway: Resource) -> Iterable[Server]:
    for server in gateway.spec.get("servers") or ():
        yield Server(
            gateway=f"{gateway.namespace}/{gateway.name}",
            number=int(server["port"]["number"]),
            protocol=server["port"]["protocol"].upper(),
            hosts=tuple(_host(host, gateway.namespace) for host in server.get("hosts") or ()),
            https_redirect=bool((server.get("tls") or {}).get("httpsRedirect")),
        )


def _host(host: str, own_namespace: str) -> ServerHost:
    namespace, slash, name = host.rpartition("/")
    if not slash:
        return ServerHost("*", host.lower())
    return ServerHost(own_namespace if namespace == "." else namespace, name.lower())
