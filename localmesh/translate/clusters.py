"""Clusters: what a proxy can send to, named and limited as Istio does."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

from localmesh.catalog import (
    Catalog,
    DestinationRule,
    Destinations,
    MutualTls,
    PeerAuthentications,
    Pod,
    Protocol,
    Proxy,
    ProxyKind,
    Resolution,
    Service,
    ServicePort,
    Subset,
)
from localmesh.catalog.trust import Trust
from localmesh.translate.cache import PartCache
from localmesh.translate.client_tls import client_socket, name_checks, originates_tls
from localmesh.translate.config import ProxyConfig
from localmesh.translate.endpoints import discovery, uses_eds
from localmesh.translate.formats import (
    BLACK_HOLE,
    PASSTHROUGH,
    config_name,
    duration,
    dynamic_forward_proxy,
    outbound_cluster,
)
from localmesh.translate.keys import Source
from localmesh.translate.locality import Chooser
from localmesh.translate.metrics import unannounced_filters
from localmesh.translate.single_pods import choosing_pods
from localmesh.translate.tls import cluster_tls
from localmesh.translate.traffic_policy import (
    PoolDefaults,
    connection_pool,
    load_balancer,
    outlier_detection,
    speaks_only_http2,
    with_http_filters,
    with_name_checks,
)

Json = dict[str, Any]


class OutboundClusters(NamedTuple):
    """A cluster for every port and subset of every Service that the proxy can send to."""

    source: Source
    services: tuple[Service, ...]
    destinations: Destinations
    pods_by_host: Mapping[str, tuple[Pod, ...]]
    peer_authentications: PeerAuthentications
    auto_mtls: bool
    mesh_settings: Mapping[str, Any]
    """The mesh-wide `localityLbSetting`."""
    pool_defaults: PoolDefaults
    trust: Trust

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> OutboundClusters:
        """The Services in the scope of the proxy, and what decides how to call them."""
        return cls(
            source=Source.of(catalog, proxy),
            services=catalog.sidecar_scope(proxy).services,
            destinations=catalog.destinations,
            pods_by_host=catalog.endpoints_by_host,
            peer_authentications=catalog.peer_authentications,
            auto_mtls=catalog.mesh_config.enable_auto_mtls,
            mesh_settings=catalog.mesh_config.locality_lb_setting,
            pool_defaults=PoolDefaults.of(catalog.mesh_config),
            trust=catalog.mesh_config.trust,
        )

    @property
    def key(self) -> Source:
        """One result for all proxies that see the mesh in the same way."""
        return self.source

    def build(self, parts: PartCache) -> ProxyConfig:
        """The clusters, Service by Service."""
        clusters = parts.build_each(self._of_service(service) for service in self.services)
        return ProxyConfig(clusters=tuple(chain.from_iterable(clusters)))

    def _of_service(self, service: Service) -> _ServiceClusters:
        pods = self.pods_by_host.get(service.host, ())
        mode = self.peer_authentications.namespace_mode(service.namespace)
        rule = self.source.rule_for(self.destinations, service.host)
        return _ServiceClusters(
            service=service,
            rule=rule,
            chooser=Chooser.of(self.source, rule, self.mesh_settings),
            uses_eds=uses_eds(self.destinations, service),
            # auto mTLS is off where the namespace of the Service has it disabled
            auto_mtls=self.auto_mtls and mode is not MutualTls.DISABLE,
            # of all pods, ready or not
            identities=self.trust.identities(
                (
                    *service.subject_names,
                    *(
                        self.trust.identity(pod.namespace, pod.service_account)
                        for pod in pods
                        if pod.service_account
                    ),
                )
            ),
            is_from_sidecar=self.source.kind is ProxyKind.SIDECAR
            or not _depends_on_caller(service, rule, self.pool_defaults),
            has_sidecars=all(pod.has_sidecar for pod in pods)
            and (bool(pods) or service.resolution is Resolution.PODS),
            pool_defaults=self.pool_defaults,
        )


def _depends_on_caller(service: Service, rule: DestinationRule | None, defaults: PoolDefaults) -> bool:
    """Whether gateways have other clusters of a Service than sidecars; mostly they share theirs."""
    detects = any(port.protocol is Protocol.SNIFFED for port in service.ports)
    needs_secrets = rule is not None and any(settings.get("credentialName") for settings in rule.tls_settings)
    return detects or needs_secrets or "credentialName" in defaults.policy


class _ServiceClusters(NamedTuple):
    """The clusters of one Service."""

    service: Service
    rule: DestinationRule | None
    chooser: Chooser
    uses_eds: bool
    auto_mtls: bool
    identities: tuple[str, ...]
    is_from_sidecar: bool
    """Whether the caller is a sidecar, or none of the clusters depends on that."""
    has_sidecars: bool
    """Whether every endpoint has a sidecar, which keeps what proxies tell each other from it."""
    pool_defaults: PoolDefaults

    def build(self) -> tuple[Json, ...]:
        """A cluster for every port that is not UDP, and for every subset of it."""
        ports = [port for port in self.service.ports if port.protocol is not Protocol.UDP]
        subsets = (None, *(self.rule.subsets if self.rule else ()))
        return tuple(self._cluster(port, subset) for port in ports for subset in subsets)

    def _cluster(self, port: ServicePort, subset: Subset | None) -> Json:
        name = outbound_cluster_of(self.service, port, subset)
        policy = self.pool_defaults.under(self.rule.policy_for(port.number, subset) if self.rule else {})
        # only a sidecar passes on the protocol that it detects; a gateway's server declares it
        detects_protocol = self.is_from_sidecar and port.protocol is Protocol.SNIFFED
        pool = connection_pool(
            policy.get("connectionPool"),
            http2=port.protocol.is_http2,
            sniffed=detects_protocol,
            retry_budget=policy.get("retryBudget"),
            defaults=self.pool_defaults,
        )
        settings, http2 = policy.get("tls"), speaks_only_http2(pool)
        if settings is not None and originates_tls(settings, gets_secrets=self._gets_secrets):
            tls = {"transportSocket": client_socket(settings, self._entry_names, http2=http2)}
            pool = with_name_checks(pool, name_checks(settings))
        else:
            tls = self._mesh_tls(port, subset, settings, http2=http2)
        chooser = self.chooser.among(self.service, port, subset, self.rule)
        if not self.has_sidecars and port.protocol.may_be_http:
            pool = with_http_filters(pool, unannounced_filters())
        detection = _with_localities(outlier_detection(policy.get("outlierDetection")), chooser)
        return {
            "name": name,
            **pool,
            **load_balancer(policy.get("loadBalancer")),
            **choosing_pods(self.service, detection["commonLbConfig"]),
            **detection,
            "metadata": {"filterMetadata": {"istio": istio_metadata(self.service, self.rule, subset)}},
            **discovery(self.service, port, subset, name, uses_eds=self.uses_eds, chooser=chooser),
            **tls,
        }

    @property
    def _gets_secrets(self) -> bool:
        """Whether the proxy gets the Secrets of the rule: a sidecar does if the rule selects its callers."""
        return not self.is_from_sidecar or (self.rule is not None and self.rule.selector is not None)

    @property
    def _entry_names(self) -> tuple[str, ...]:
        """The names that a host outside the mesh may prove, from its ServiceEntry."""
        return self.identities if self.service.is_entry else ()

    def _mesh_tls(
        self, port: ServicePort, subset: Subset | None, settings: Mapping[str, Any] | None, *, http2: bool
    ) -> Json:
        return cluster_tls(
            self.service,
            port,
            subset,
            settings,
            auto_mtls=self.auto_mtls,
            identities=self.identities,
            http2=http2,
        )


def _with_localities(detection: Json, chooser: Chooser) -> Json:
    """Outlier detection and its panic threshold, with what is set for localities beside that."""
    common = {**detection["commonLbConfig"], **chooser.wanted.cluster_settings()}
    return {**detection, "commonLbConfig": common}


def outbound_cluster_of(service: Service, port: ServicePort, subset: Subset | None) -> str:
    """The name of the cluster of a Service's port and subset."""
    return outbound_cluster(service.host, port.number, subset.name if subset else "")


def istio_metadata(service: Service, rule: DestinationRule | None, subset: Subset | None) -> Json:
    """The metadata with which Istio says what a cluster was made from."""
    out: Json = {"services": [{"name": service.name, "namespace": service.namespace, "host": service.host}]}
    if service.is_external and subset is None:
        out["external"] = True
    if rule is not None:
        out["config"] = config_name("destination-rule", rule.namespace, rule.name)
    if subset is not None:
        out["subset"] = subset.name
    return out


class FallbackClusters(NamedTuple):
    """The clusters for hosts that the mesh does not know: pass them on, or send them nowhere.

    Istio passes an unknown host on to the address that the caller has looked up. With an explicit proxy port
    that address is not known, so the proxy looks the host up itself; the caller sees no difference.
    """

    kind: ProxyKind
    pool_defaults: PoolDefaults

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> FallbackClusters:
        """The kind of the proxy: gateways do not pass anything on."""
        return cls(proxy.kind, PoolDefaults.of(catalog.mesh_config))

    @property
    def key(self) -> ProxyKind:
        """One result for all proxies of a kind."""
        return self.kind

    def build(self, _parts: PartCache) -> ProxyConfig:
        """BlackHoleCluster, and for sidecars PassthroughCluster."""
        timeout = duration(self.pool_defaults.connect_timeout)
        black_hole: Json = {"name": BLACK_HOLE, "type": "STATIC", "connectTimeout": timeout}
        if self.kind is ProxyKind.GATEWAY:
            return ProxyConfig(clusters=(black_hole,))
        pool = passthrough_pool(self.pool_defaults)
        return ProxyConfig(clusters=(black_hole, {"name": PASSTHROUGH, **dynamic_forward_proxy(), **pool}))


def passthrough_pool(defaults: PoolDefaults) -> Json:
    """The connections of clusters for hosts that the proxy does not know."""
    settings = defaults.under({}).get("connectionPool") or {}
    settings = {**settings, "http": {"idleTimeout": "300s", **(settings.get("http") or {})}}
    pool = connection_pool(settings, http2=False, sniffed=True, defaults=defaults)
    return with_http_filters(pool, unannounced_filters())
