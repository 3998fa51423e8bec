"""Which hosts the workloads of a namespace may call, by its Sidecar and ServiceEntries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadgen.meshstate.resources import NotConfigured, Object, Resources, UnsupportedConfig, qualified

_CLUSTER = ".svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Registry:
    """The hosts that the sidecars of a namespace know: imported Services, and hosts of ServiceEntries.

    `imports` are the entries of the Sidecar's `egress.hosts`, `entries` the ServiceEntries by host.
    """

    namespace: str
    where: str
    imports: tuple[str, ...]
    entries: Mapping[str, Object]

    def knows(self, host: str) -> bool:
        """Whether a call to the host is let out; to any other host the sidecar answers 502."""
        return host in self.entries or self._has_service(qualified(host, self.namespace))

    def services_behind(self, host: str) -> list[tuple[str, str]]:
        """Name and namespace of the Services that the endpoints of the host's entry name."""
        return services_behind(self.entries[host], host)

    def _has_service(self, host: str) -> bool:
        service = _service(host)
        return service is not None and any(self._covers(entry, host, service[1]) for entry in self.imports)

    def _covers(self, entry: str, host: str, namespace: str) -> bool:
        place, _, name = entry.partition("/")
        own = place == "." and namespace == self.namespace
        return (own or place in ("*", namespace)) and name in ("*", host)


def read_registry(resources: Resources, *, remedy: str) -> Registry:
    """The registry of the namespace; raises NotConfigured, ending in `remedy`, if any host may be called.

    Only a Sidecar without a selector is evaluated, since it is for all workloads; entries are those of the
    namespace itself.
    """
    sidecar = _sidecar(resources, remedy)
    spec = sidecar.get("spec") or {}
    where = f"Sidecar {resources.namespace}/{sidecar['metadata']['name']}"
    # The block without a mode means REGISTRY_ONLY; without the block the mesh's default counts, ALLOW_ANY.
    mode = spec.get("outboundTrafficPolicy", {"mode": "ALLOW_ANY"}).get("mode", "REGISTRY_ONLY")
    if mode != "REGISTRY_ONLY":
        raise NotConfigured(f"{where} lets every call out ({mode}); {remedy}")
    imports = tuple(str(host) for entry in spec.get("egress") or () for host in entry.get("hosts") or ())
    entries = {str(host): entry for entry in resources.service_entries for host in entry["spec"]["hosts"]}
    if any(host.startswith("~") for host in imports) or any("*" in host for host in entries):
        raise UnsupportedConfig(
            f"{where} or a ServiceEntry has hosts with ~ or *, which are not evaluated here"
        )
    return Registry(resources.namespace, where, imports or ("*/*",), entries)


def services_behind(entry: Object, host: str) -> list[tuple[str, str]]:
    """Name and namespace of the Services that the endpoints of a ServiceEntry's host name."""
    endpoints = entry["spec"].get("endpoints") or [{"address": host}]
    services = (_service(str(endpoint.get("address", ""))) for endpoint in endpoints)
    return [service for service in services if service is not None]


def _sidecar(resources: Resources, remedy: str) -> Object:
    sidecars, namespace = resources.sidecars, resources.namespace
    if not sidecars:
        raise NotConfigured(f"namespace {namespace} has no Sidecar, so any host may be called; {remedy}")
    if len(sidecars) > 1 or "workloadSelector" in (sidecars[0].get("spec") or {}):
        raise UnsupportedConfig(
            f"namespace {namespace} has Sidecars for some workloads: one for all is expected"
        )
    return sidecars[0]


def _service(host: str) -> tuple[str, str] | None:
    """Name and namespace of the Service that a full host name means; None for any other host."""
    name, _, namespace = host.removesuffix(_CLUSTER).partition(".")
    is_service = host.endswith(_CLUSTER) and name and namespace and "." not in namespace
    return (name, namespace) if is_service else None
