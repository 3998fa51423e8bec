"""EnvoyFilters and extensions that change what a proxy does with a request: named, and not evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Proxy
from localmesh.explain.explanation import Hop, HopKind, Reference
from localmesh.kinds.envoy_filter import ENVOY_FILTER
from localmesh.problems import FieldPath
from localmesh.translate.extensions import listener_port

_CONTEXTS = {
    HopKind.OUTBOUND: "SIDECAR_OUTBOUND",
    HopKind.GATEWAY: "GATEWAY",
    HopKind.INBOUND: "SIDECAR_INBOUND",
}
_NOT_OF_REQUESTS = frozenset({"BOOTSTRAP", "EXTENSION_CONFIG"})
_NAMES = (
    ("listener", "filterChain", "filter", "subFilter", "name"),
    ("listener", "filterChain", "filter", "name"),
    ("routeConfiguration", "vhost", "route", "name"),
    ("routeConfiguration", "vhost", "name"),
    ("cluster", "service"),
    ("cluster", "name"),
)
"""Where a patch names what it changes, the narrowest first."""


class ListedPatch(NamedTuple):
    """A patch for the kind of traffic that a proxy handles here; `name` is what it adds or changes, or ""."""

    reference: Reference
    applies_to: str
    operation: str
    name: str


def patches_at(catalog: Catalog, proxy: Proxy, hop: Hop) -> Iterator[ListedPatch]:
    """What extensions and EnvoyFilters that select the proxy's workload change there, in their order."""
    kind = hop.kind
    port = listener_port(hop.listener) if kind in (HopKind.INBOUND, HopKind.GATEWAY) else None
    context = _CONTEXTS.get(kind)
    for extension in catalog.extensions_for(proxy) if context is not None else ():
        if extension.is_for("SERVER" if kind is HopKind.INBOUND else "CLIENT", port):
            reference = Reference(extension.resource, FieldPath("spec"))
            yield ListedPatch(reference, "HTTP_FILTER", "ADD", extension.filter_name)
    for each in catalog.envoy_filters_for(proxy):
        resource = catalog.objects.named(ENVOY_FILTER, each.namespace, each.name)
        for patch in each.patches:
            if resource is None or context is None or not patch.is_for(context):
                continue
            if patch.applies_to not in _NOT_OF_REQUESTS:
                reference = Reference(resource, FieldPath("spec", "configPatches", patch.index))
                operation = resource.spec["configPatches"][patch.index]["patch"]["operation"]
                name = (patch.value or {}).get("name") or _named(patch.match)
                yield ListedPatch(reference, patch.applies_to, operation, str(name))


def _named(match: Mapping[str, Any]) -> str:
    for path in _NAMES:
        value: Any = match
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value:
            return str(value)
    return ""
