"""What a host name leads to: its Service, and the DestinationRule that a caller applies to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from localmesh.catalog.credentials import client_names
from localmesh.catalog.destination_rules import DestinationRule, RuleIndex
from localmesh.catalog.hosts import is_wildcard, overlap
from localmesh.catalog.security import ROOT_NAMESPACE
from localmesh.catalog.services import Service
from localmesh.catalog.virtual_services import MESH


@dataclass(frozen=True, slots=True)
class Destinations:
    """All Services and DestinationRules (merged, oldest first); equal if these are."""

    services: tuple[Service, ...] = ()
    rules: tuple[DestinationRule, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """What each Service of type ExternalName stands for."""
    root: str = ROOT_NAMESPACE
    """The root namespace of the mesh."""
    _by_host: Mapping[str, Service] = field(init=False, repr=False, compare=False)
    _index: RuleIndex = field(init=False, repr=False, compare=False)
    _selecting: tuple[DestinationRule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_host", {service.host: service for service in self.services})
        object.__setattr__(self, "_index", RuleIndex(self.rules, self.root))
        selecting = tuple(rule for rule in self.rules if rule.selector is not None)
        object.__setattr__(self, "_selecting", selecting)

    def service(self, host: str) -> Service | None:
        """The Service with that fully qualified name, or that such a name stands for, or None."""
        return self._by_host.get(self.resolved(host))

    def resolved(self, host: str) -> str:
        """The host that a fully qualified name stands for: itself, unless it is an alias."""
        return self.aliases.get(host, host)

    def services_at(self, host: str) -> list[Service]:
        """The Services that a fully qualified host, which may be a wildcard, stands for."""
        if is_wildcard(host):
            return [service for service in self.services if overlap(host, service.host)]
        service = self.service(host)
        return [] if service is None else [service]

    def port_of(self, host: str, written: int | None, *, listener_port: int, gateway: str) -> int:
        """The port of a route's destination; see `destination_port`."""
        return destination_port(self.service(host), written, listener_port=listener_port, gateway=gateway)

    def rule_for(
        self, host: str, caller: str, labels: Mapping[str, str] = MappingProxyType({})
    ) -> DestinationRule | None:
        """The DestinationRule that a proxy in namespace `caller` with these labels applies to a host."""
        service, host = self.service(host), self.resolved(host)
        owner = service.namespace if service else None
        return self._index.rule_for(host=host, caller=caller, labels=labels, owner=owner)

    def credential_names_for(self, namespace: str, labels: Mapping[str, str]) -> Iterator[str]:
        """The resource names of credentials in the rules that select callers, as those with these labels.

        Only these rules give sidecars Secrets (istiod: pilot/pkg/networking/core/cluster_tls.go,
        `buildUpstreamClusterTLSContext`).
        """
        for rule in self._selecting:
            if rule.namespace == namespace and (rule.selector or {}).items() <= labels.items():
                for tls in rule.tls_settings:
                    yield from client_names(tls)


def destination_port(
    service: Service | None, written: int | None, *, listener_port: int, gateway: str
) -> int:
    """The port of a route's destination, which names one (`written`) or not; `service` is that of its host.

    Without one a sidecar takes the port that was called; a gateway takes the Service's only port, or the
    server's where the Service has several (istiod: pilot/pkg/networking/core/route/route.go,
    `GetDestinationCluster`).
    """
    if written is not None:
        return written
    if gateway != MESH and service is not None and len(service.ports) == 1:
        return service.ports[0].number
    return listener_port
