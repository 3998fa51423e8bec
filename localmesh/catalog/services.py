"""Services of Kubernetes and hosts of ServiceEntries, and the pods behind them (Istio, "Service Entry")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeVar
from typing import Protocol as TypingProtocol

from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.hosts import service_host
from localmesh.catalog.locality import NOWHERE, Locality
from localmesh.catalog.objects import Objects
from localmesh.kinds.service import SERVICE
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.manifests import Resource


class Protocol(Enum):
    """The protocol of a port as Istio selects it (Istio, "Protocol Selection")."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    TCP = "TCP"
    TLS = "TLS"
    UDP = "UDP"
    SNIFFED = "sniffed"

    @property
    def is_http(self) -> bool:
        """Whether it is declared to be HTTP of any version."""
        return self is Protocol.HTTP or self.is_http2

    @property
    def may_be_http(self) -> bool:
        """Whether HTTP routes apply: declared to be HTTP, or detected on the connection."""
        return self.is_http or self is Protocol.SNIFFED

    @property
    def is_tcp(self) -> bool:
        """Whether proxies forward its connections without reading them: TCP, and TLS of the application."""
        return self in (Protocol.TCP, Protocol.TLS)

    @property
    def is_http2(self) -> bool:
        """Whether it is declared to be HTTP/2, so that upstream connections use it too."""
        return self is Protocol.HTTP2 or self.is_grpc

    @property
    def is_grpc(self) -> bool:
        """Whether it is declared to be gRPC."""
        return self in (Protocol.GRPC, Protocol.GRPC_WEB)


_BY_NAME = {
    "http": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    "grpc-web": Protocol.GRPC_WEB,
    "tcp": Protocol.TCP,
    "https": Protocol.TLS,
    "tls": Protocol.TLS,
    "mongo": Protocol.TCP,
    "mysql": Protocol.TCP,
    "redis": Protocol.TCP,
    "udp": Protocol.UDP,
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.TLS,
}

# Server-first protocols cannot be sniffed, so their well-known ports count as TCP.
_NEVER_SNIFFED = frozenset({25, 53, 3306, 27017})


def protocol_of(
    *, name: str = "", application: str = "", transport: str = "TCP", number: int = 0
) -> Protocol:
    """The protocol of a Service port, from `appProtocol`, else its name up to the first dash.

    >>> protocol_of(name="http-web"), protocol_of(name="web"), protocol_of(name="tcp-db")
    (<Protocol.HTTP: 'HTTP'>, <Protocol.SNIFFED: 'sniffed'>, <Protocol.TCP: 'TCP'>)
    """
    if transport == "UDP":
        return Protocol.UDP
    if application and application.lower() in _BY_NAME:
        return _BY_NAME[application.lower()]
    name = name.lower()
    if name.startswith("grpc-web"):
        return Protocol.GRPC_WEB
    by_name = _BY_NAME.get(name.split("-", 1)[0])
    if by_name is not None:
        return by_name
    return Protocol.TCP if number in _NEVER_SNIFFED else Protocol.SNIFFED


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service; `target` is a container port's number or name."""

    name: str
    number: int
    target: int | str
    protocol: Protocol


class Resolution(Enum):
    """How endpoints are found: the pods that a selector matches, or as a ServiceEntry specifies."""

    PODS = "PODS"
    STATIC = "STATIC"
    DNS = "DNS"
    DNS_ROUND_ROBIN = "DNS_ROUND_ROBIN"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that a ServiceEntry lists: an address or name, and its ports by the entry's port names."""

    address: str
    ports: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1
    locality: Locality = NOWHERE

    def port(self, port: ServicePort) -> int:
        """The number of the endpoint's own port for a port of its entry."""
        return self.ports.get(port.name) or int(port.target)


@dataclass(frozen=True, slots=True)
class Service:
    """A Service, or a host of a ServiceEntry (`is_entry`); `host` is its fully qualified name."""

    namespace: str
    name: str
    host: str
    ports: tuple[ServicePort, ...]
    selector: Mapping[str, str]
    addresses: tuple[str, ...]
    headless: bool
    export_to: tuple[str, ...]
    resolution: Resolution = Resolution.PODS
    is_external: bool = False
    """Whether it is outside the mesh, where endpoints have no identity."""
    endpoints: tuple[Endpoint, ...] = ()
    is_entry: bool = False
    subject_names: tuple[str, ...] = ()
    """The names that the endpoints of a ServiceEntry may prove (`subjectAltNames`)."""
    publishes_unready: bool = False
    """Whether pods that are not ready are endpoints, too."""
    traffic_distribution: str = ""
    """Which endpoints callers prefer: PreferSameZone, PreferSameNode, or "" for any."""
    alias_of: str = ""
    """The host of which a Service of type ExternalName is another name."""
    aliases: tuple[str, ...] = ()
    """The hosts of the Services that are other names of this one."""
    pod_names: tuple[str, ...] = ()
    """The pods of a headless Service that have names below its own."""
    subject: str = field(default="", compare=False)
    """The object that defines it, as people name it: ``Service shop/logic``."""

    def __hash__(self) -> int:
        return hash(self.host)

    @property
    def pod_hosts(self) -> Mapping[str, str]:
        """Its pods by the fully qualified names that they have below its own."""
        return {f"{pod}.{self.host}": pod for pod in self.pod_names}

    def port(self, number: int) -> ServicePort | None:
        """The port of that number, or None."""
        return next((port for port in self.ports if port.number == number), None)

    def of_protocols_but(self, excluded: Protocol) -> Service:
        """The Service without the ports of a protocol."""
        return replace(self, ports=tuple(port for port in self.ports if port.protocol is not excluded))

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether pods with these labels in this namespace are behind the Service."""
        if namespace != self.namespace or not self.selector:
            return False
        return all(labels.get(key) == value for key, value in self.selector.items())


def services(objects: Objects, conversions: ConversionCache) -> tuple[Service, ...]:
    """The Services of Kubernetes, sorted by host."""
    converted = (conversions.of(resource, _service) for resource in objects.of(SERVICE))
    return tuple(sorted(converted, key=lambda service: service.host))


def _service(resource: Resource) -> Service:
    spec: Mapping[str, Any] = resource.spec
    cluster_ip = spec.get("clusterIP", "")
    export_to = resource.annotations.get("networking.istio.io/exportTo", "")
    return Service(
        namespace=resource.namespace,
        name=resource.name,
        host=service_host(resource.name, resource.namespace),
        ports=tuple(_port(port) for port in spec.get("ports") or ()),
        selector=dict(spec.get("selector") or {}),
        addresses=(cluster_ip,) if cluster_ip not in ("", "None") else (),
        headless=cluster_ip == "None",
        export_to=tuple(part.strip() for part in export_to.split(",") if part.strip()),
        publishes_unready=bool(spec.get("publishNotReadyAddresses")),
        traffic_distribution=_distribution(spec.get("trafficDistribution", ""), resource.annotations),
        alias_of=spec.get("externalName", "") if spec.get("type") == "ExternalName" else "",
        subject=resource.place.subject,
    )


def _distribution(written: str, annotations: Mapping[str, str]) -> str:
    """The field of the Service, else the older annotation (istiod: model/service.go)."""
    names = {name.lower(): name for name in ("PreferSameZone", "PreferSameNode")}
    names["preferclose"] = names["prefersamezone"]
    own = names.get(written.lower(), "")
    return own or names.get(annotations.get("networking.istio.io/traffic-distribution", "").lower(), "")


def _port(port: Mapping[str, Any]) -> ServicePort:
    number = int(port["port"])
    name = port.get("name", "")
    return ServicePort(
        name=name,
        number=number,
        target=port.get("targetPort", number),
        protocol=protocol_of(
            name=name,
            application=port.get("appProtocol", ""),
            transport=port.get("protocol", "TCP"),
            number=number,
        ),
    )


def service_entries(objects: Objects) -> Iterator[Service]:
    """A Service for every host of every ServiceEntry, oldest first."""
    for entry in objects.of(SERVICE_ENTRY):
        for host in entry.spec.get("hosts") or ():
            yield _entry_host(entry, host)


def _entry_host(entry: Resource, host: str) -> Service:
    spec: Mapping[str, Any] = entry.spec
    resolution = Resolution(spec.get("resolution", "NONE"))
    selector = dict((spec.get("workloadSelector") or {}).get("labels") or {})
    endpoints = tuple(_endpoint(endpoint) for endpoint in spec.get("endpoints") or ())
    if not endpoints and resolution in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN):
        endpoints = (Endpoint(host),)
    return Service(
        namespace=entry.namespace,
        name=host,
        host=host,
        ports=tuple(_entry_port(port) for port in spec.get("ports") or ()),
        selector=selector,
        # istiod has a Service for each address; the last one has the virtual host (`servicesByName`)
        addresses=tuple(spec.get("addresses") or ())[-1:],
        headless=False,
        export_to=tuple(spec.get("exportTo") or ()),
        resolution=Resolution.PODS if selector else resolution,
        is_external=spec.get("location", "MESH_EXTERNAL") == "MESH_EXTERNAL",
        endpoints=endpoints,
        is_entry=True,
        traffic_distribution=_distribution("", entry.annotations),
        subject=entry.place.subject,
        subject_names=tuple(spec.get("subjectAltNames") or ()),
    )


def _entry_port(port: Mapping[str, Any]) -> ServicePort:
    number = int(port["number"])
    protocol = protocol_of(name=port.get("protocol", "").lower() or port.get("name", ""), number=number)
    return ServicePort(port.get("name", ""), number, int(port.get("targetPort") or number), protocol)


def _endpoint(endpoint: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        address=endpoint.get("address", ""),
        ports={name: int(number) for name, number in (endpoint.get("ports") or {}).items()},
        labels=dict(endpoint.get("labels") or {}),
        weight=int(endpoint.get("weight") or 1),
        locality=Locality.parsed(endpoint.get("locality") or ""),
    )


class Labelled(TypingProtocol):
    """A pod or workload: what the selector of a Service is compared with."""

    @property
    def namespace(self) -> str:
        """Its namespace."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels, or those of its pods."""


Selected = TypeVar("Selected", bound=Labelled)


class ServiceIndex:
    """Services by one label of their selector, which every pod behind them must have."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._by_label: dict[tuple[str, str, str], list[Service]] = {}
        for service in services:
            if service.selector:
                label = min(service.selector.items())
                self._by_label.setdefault((service.namespace, *label), []).append(service)

    def services_of(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """The Services that select pods with these labels, by host."""
        candidates = (
            service for label in labels.items() for service in self._by_label.get((namespace, *label), ())
        )
        selecting = [service for service in candidates if service.selects(namespace, labels)]
        return sorted(selecting, key=lambda service: service.host)

    def by_host(self, pods: Iterable[Selected]) -> Mapping[str, tuple[Selected, ...]]:
        """The pods or workloads behind each Service that has any, in their order."""
        behind: dict[str, list[Selected]] = {}
        for pod in pods:
            for service in self.services_of(pod.namespace, pod.labels):
                behind.setdefault(service.host, []).append(pod)
        return {host: tuple(selected) for host, selected in behind.items()}
