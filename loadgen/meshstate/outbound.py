"""Which hosts the workloads of a namespace may call, as Sidecars and ServiceEntries say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadgen.meshstate.api import MeshApi, Object
from loadgen.meshstate.errors import NotConfigured, UnsupportedConfig
from loadgen.meshstate.routes import qualified

_NETWORKING = "networking.istio.io/v1"
_CLUSTER = ".svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Registry:
    """What sidecars of a namespace know: Services, as far as they are imported, and hosts of entries.

    `imports` are the entries of the Sidecar's `egress.hosts`, `entries` the ServiceEntries by their hosts.
    """

    namespace: str
    where: str
    imports: tuple[str, ...]
    entries: Mapping[str, Object]

    def knows(self, host: str) -> bool:
        """Whether a call to a host is let out; to any other the sidecar answers 502."""
        return host in self.entries or self._has_service(qualified(host, self.namespace))

    def services_behind(self, host: str) -> list[tuple[str, str]]:
        """Name and namespace of the Services that the endpoints of a host's entry name."""
        endpoints = self.entries[host]["spec"].get("endpoints") or [{"address": host}]
        found = (_service(str(each.get("address", ""))) for each in endpoints)
        return [service for service in found if service is not None]

    def _has_service(self, host: str) -> bool:
        found = _service(host)
        return found is not None and any(self._imports(each, host, found[1]) for each in self.imports)

    def _imports(self, written: str, host: str, namespace: str) -> bool:
        place, _, name = written.partition("/")
        own = place == "." and namespace == self.namespace
        return (own or place in ("*", namespace)) and name in ("*", host)


def registry(api: MeshApi, *, remedy: str) -> Registry:
    """What is in force; raises NotInForce, ending in `remedy`, if any host may be called.

    Of Sidecars only one without a selector is understood, since it is for all; entries are those that the
    namespace itself has.
    """
    sidecar = _sidecar(api.objects(_NETWORKING, "sidecars"), api.namespace, remedy)
    spec = sidecar.get("spec") or {}
    where = f"Sidecar {api.namespace}/{sidecar['metadata']['name']}"
    # the block without a mode means REGISTRY_ONLY; no block what the whole mesh has, by default ALLOW_ANY
    mode = spec.get("outboundTrafficPolicy", {"mode": "ALLOW_ANY"}).get("mode", "REGISTRY_ONLY")
    if mode != "REGISTRY_ONLY":
        raise NotConfigured(f"{where} lets every call out ({mode}); {remedy}")
    imports = tuple(str(host) for each in spec.get("egress") or () for host in each.get("hosts") or ())
    entries = {
        str(host): entry
        for entry in api.objects(_NETWORKING, "serviceentries")
        for host in entry["spec"]["hosts"]
    }
    if any(host.startswith("~") for host in imports) or any("*" in host for host in entries):
        raise UnsupportedConfig(
            f"{where} or a ServiceEntry has hosts with ~ or *, which are not evaluated here"
        )
    return Registry(api.namespace, where, imports or ("*/*",), entries)


def _sidecar(found: Sequence[Object], namespace: str, remedy: str) -> Object:
    if not found:
        raise NotConfigured(f"namespace {namespace} has no Sidecar, so that any host may be called; {remedy}")
    if len(found) > 1 or "workloadSelector" in (found[0].get("spec") or {}):
        raise UnsupportedConfig(
            f"namespace {namespace} has Sidecars for some workloads: one for all is expected"
        )
    return found[0]


def _service(host: str) -> tuple[str, str] | None:
    """Name and namespace of the Service that a full host name means; None for any other host."""
    name, _, namespace = host.removesuffix(_CLUSTER).partition(".")
    is_service = host.endswith(_CLUSTER) and name and namespace and "." not in namespace
    return (name, namespace) if is_service else None
