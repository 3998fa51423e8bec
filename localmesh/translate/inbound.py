"""What a sidecar does for its own application: a listener and a cluster for each port.

istiod: pilot/pkg/networking/core/listener_inbound.go. Istio's sidecar catches connections to all ports with
one listener; without root each port needs a separate listener. Ports that no Service sends to have one
where a policy names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from localmesh.catalog import (
    AuthorizationPolicy,
    Authorizer,
    Catalog,
    DestinationRule,
    Inbound,
    MutualTls,
    Protocol,
    Proxy,
    Service,
    ServicePort,
)
from localmesh.catalog.ingress_listeners import IngressListener
from localmesh.catalog.sidecar_scope import Sidecar
from localmesh.catalog.trust import Trust
from localmesh.translate.cache import PartCache
from localmesh.translate.clusters import istio_metadata
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import endpoint_address, inbound_cluster, outbound_cluster, socket_address
from localmesh.translate.http_filters import Position, http_filters
from localmesh.translate.keys import ProxyKey
from localmesh.translate.listeners import http_listener
from localmesh.translate.rbac import connection_filters
from localmesh.translate.retries import INBOUND_RETRIES
from localmesh.translate.security import listen_ports
from localmesh.translate.tcp_proxy import tcp_proxy
from localmesh.translate.telemetry import ProxyTelemetry
from localmesh.translate.tls import filter_chains, tls_inspector
from localmesh.translate.traffic_policy import PoolDefaults, connection_pool, without_upgrade

Json = dict[str, Any]

_PASSTHROUGH = "InboundPassthroughCluster"
"""Istio's cluster for ports without a Service."""


def intercepts(catalog: Catalog, proxy: Proxy, port: int) -> bool:
    """Whether a sidecar listens for a container port of its pod."""
    ports = _ports(catalog, proxy)
    return any(own.inbound.container_port == port and own.may_be_http for own in ports)


class InboundPorts(NamedTuple):
    """The ports of a sidecar's pod that a Service sends to, a Sidecar declares or a policy names."""

    key: ProxyKey
    ports: tuple[_InboundPort, ...]
    policies: tuple[AuthorizationPolicy, ...]
    authorizers: tuple[Authorizer, ...]
    """Those that apply to connections; for HTTP see `SecurityPolicies`."""
    listen_ports: Mapping[int, int]
    telemetry: ProxyTelemetry

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> InboundPorts:
        """The ports, each with the Service that sends to it and the rules for it."""
        ports = _ports(catalog, proxy)
        is_http = all(port.may_be_http for port in ports)
        return cls(
            key=ProxyKey.of(proxy),
            ports=ports,
            policies=() if is_http else tuple(catalog.policies_for(proxy)),
            authorizers=() if is_http else catalog.authorizers_for(proxy),
            listen_ports={} if is_http else listen_ports(proxy),
            telemetry=ProxyTelemetry.of(catalog, proxy),
        )

    def build(self, _parts: PartCache) -> ProxyConfig:
        """Listeners and clusters for all ports; routes for those that may have HTTP."""
        http_ports = [port for port in self.ports if port.may_be_http]
        policies = connection_filters(self.policies, self.listen_ports, self.authorizers)
        return ProxyConfig(
            listeners=tuple(
                port.listener(self.telemetry)
                if port.may_be_http
                else port.tcp_listener(self.telemetry, policies)
                for port in self.ports
            ),
            further_routes=tuple(port.route_configuration() for port in http_ports),
            clusters=tuple(port.cluster() for port in self.ports),
        )


class _InboundPort(NamedTuple):
    """One container port; `service` and `port` are the first, by host, that send to it.

    Where a Sidecar declares the port, `port` is that, and `host` stands for it in the names of spans.
    `sent_by` is the name of the Service's cluster at callers.
    """

    inbound: Inbound
    service: Service
    port: ServicePort
    host: str
    sent_by: str
    rule: DestinationRule | None
    mode: MutualTls
    pool_defaults: PoolDefaults
    trust: Trust
    pool: Mapping[str, Any] | None
    """The connection pool that the Sidecar of the pod has for the port."""

    @property
    def may_be_http(self) -> bool:
        """Whether the sidecar listens for it."""
        return self.port.protocol.may_be_http

    def listener(self, telemetry: ProxyTelemetry) -> Json:
        """The listener of the port."""
        number = self.inbound.container_port
        manager: Json = {
            "statPrefix": f"inbound_{number}",
            "routeConfig": self.route_configuration(),
            "serverName": "istio-envoy",
            "httpFilters": http_filters(Position.INBOUND, grpc_web=self.port.protocol is Protocol.GRPC_WEB),
            "useRemoteAddress": False,
            "forwardClientCertDetails": "APPEND_FORWARD",
            "setCurrentClientCertDetails": {"subject": True, "dns": True, "uri": True},
            **({"http2ProtocolOptions": {}} if self.port.protocol.is_http2 else {}),
            **telemetry.received_requests(self.sent_by),
        }
        listener = http_listener(f"inbound_{number}", self.inbound.listen, manager, "INBOUND")
        filters = listener["filterChains"][0]["filters"]
        return {
            **listener,
            # always there, so that a change of mode replaces the filter chains only and not the listener
            "listenerFilters": [tls_inspector()],
            "listenerFiltersTimeout": "0s",
            "continueOnListenerFiltersTimeout": True,
            "filterChains": filter_chains(f"0.0.0.0_{number}", filters, self.mode, trust=self.trust),
        }

    def tcp_listener(self, telemetry: ProxyTelemetry, policies: Sequence[Json]) -> Json:
        """The listener of a port that is not HTTP, with the filters of its policies."""
        number = self.inbound.container_port
        cluster = inbound_cluster(number)
        settings = {"cluster": cluster, **telemetry.received_connections(self.sent_by)}
        filters = [*policies, tcp_proxy(cluster, settings)]
        name = f"0.0.0.0_{number}"
        chains = filter_chains(name, filters, self.mode, is_http=False, trust=self.trust)
        # a server that speaks first would wait for a client whose TLS is inspected
        inspector = [] if self.mode is MutualTls.DISABLE else [tls_inspector()]
        return {
            "name": f"inbound_{number}",
            "address": socket_address(self.inbound.listen),
            "trafficDirection": "INBOUND",
            "listenerFilters": inspector,
            "listenerFiltersTimeout": "0s",
            "continueOnListenerFiltersTimeout": True,
            "filterChains": chains,
        }

    def route_configuration(self) -> Json:
        """One route for all requests, without a timeout; it has the name of the cluster."""
        cluster = inbound_cluster(self.inbound.container_port)
        action: Json = {
            "cluster": cluster,
            "timeout": "0s",
            "maxStreamDuration": {"maxStreamDuration": "0s", "grpcTimeoutHeaderMax": "0s"},
            **({} if self.port.protocol.is_grpc else {"retryPolicy": INBOUND_RETRIES}),
        }
        route = {
            "name": "default",
            "match": {"prefix": "/"},
            "route": action,
            "decorator": {"operation": f"{self.host}:{self.port.number}/*"},
        }
        name = f"inbound|http|{self.port.number}"
        return {
            "name": cluster,
            "virtualHosts": [{"name": name, "domains": ["*"], "routes": [route]}],
            "validateClusters": False,
        }

    def cluster(self) -> Json:
        """The cluster of the application itself; a DestinationRule limits its connections here too."""
        name = inbound_cluster(self.inbound.container_port)
        policy = self.pool_defaults.under(self.rule.policy_for(self.port.number) if self.rule else {})
        protocol = self.port.protocol
        endpoint = {"endpoint": endpoint_address(self.inbound.application)}
        return {
            "name": name,
            "type": "STATIC",
            "loadAssignment": {"clusterName": name, "endpoints": [{"lbEndpoints": [endpoint]}]},
            **connection_pool(
                without_upgrade(policy.get("connectionPool") if self.pool is None else self.pool),
                http2=protocol.is_http2,
                sniffed=protocol is Protocol.SNIFFED,
                retry_budget=policy.get("retryBudget"),
                defaults=self.pool_defaults,
            ),
            "metadata": {"filterMetadata": {"istio": istio_metadata(self.service, self.rule, None)}},
        }


def _ports(catalog: Catalog, proxy: Proxy) -> tuple[_InboundPort, ...]:
    sidecar = catalog.sidecar_of(proxy)
    declared = {each.number: each for each in sidecar.ingress} if sidecar is not None else {}
    named = frozenset[int]().union(*(policy.ports for policy in catalog.policies_for(proxy)))
    return tuple(
        port
        for inbound in proxy.inbound
        if (
            port := _inbound_port(
                catalog,
                proxy,
                inbound,
                sidecar,
                declared.get(inbound.container_port),
                is_named=inbound.container_port in named,
            )
        )
    )


def _inbound_port(
    catalog: Catalog,
    proxy: Proxy,
    inbound: Inbound,
    sidecar: Sidecar | None,
    declared: IngressListener | None,
    *,
    is_named: bool,
) -> _InboundPort | None:
    """The port, if a Sidecar declares it, a Service sends to it or a policy names it.

    istiod: cluster.go, `buildInboundClustersFromSidecar`, and listener_inbound.go, whose
    `buildInboundPassthroughChains` takes what is sent to the other ports.
    """
    target = _service_port(catalog, proxy, inbound)
    if target is None and declared is not None and sidecar is not None:
        target = _stand_in(sidecar.namespace, sidecar.name, sidecar.host), _declared_port(declared)
    if target is None and is_named:
        target = _stand_in(proxy.namespace, _PASSTHROUGH, ""), _passed_through(inbound.container_port)
    if target is None:
        return None
    service, port = target
    return _InboundPort(
        inbound=inbound,
        service=service,
        port=port if declared is None else _declared_port(declared),
        host=service.host if declared is None or sidecar is None else sidecar.host,
        sent_by=outbound_cluster(service.host, port.number),
        rule=catalog.rule_for(service.host, proxy.namespace),
        mode=catalog.peer_authentications.mode(proxy.namespace, proxy.labels, inbound.container_port),
        pool_defaults=PoolDefaults.of(catalog.mesh_config),
        trust=catalog.mesh_config.trust,
        pool=sidecar.pool_of(inbound.container_port) if sidecar is not None else None,
    )


def _declared_port(listener: IngressListener) -> ServicePort:
    return ServicePort(listener.name, listener.number, listener.number, listener.protocol)


def _passed_through(number: int) -> ServicePort:
    return ServicePort("", 0, number, Protocol.SNIFFED)


def _stand_in(namespace: str, name: str, host: str) -> Service:
    """What stands for the Service of a port that no Service sends to."""
    return Service(
        namespace=namespace,
        name=name,
        host=host,
        ports=(),
        selector={},
        addresses=(),
        headless=False,
        export_to=(),
    )


def _service_port(catalog: Catalog, proxy: Proxy, inbound: Inbound) -> tuple[Service, ServicePort] | None:
    """The Service and port, first by host, that send to a container port of the proxy's pod."""
    for pod in catalog.pods:
        if (pod.namespace, pod.name) != (proxy.namespace, proxy.name):
            continue
        for service in catalog.services_of(pod.namespace, pod.labels):
            for port in service.ports:
                if pod.container_port(port.target) == inbound.container_port:
                    return service, port
    return None
