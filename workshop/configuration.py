"""The objects that trainees write, as the API has them: whether they changed, and what there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadgen.meshstate import MeshApi
from loadgen.meshstate.resources import Object
from loadgen.meshstate.security import last_change
from workshop.exercise import ObjectsLike

_NETWORKING = "networking.istio.io/v1"
_SECURITY = "security.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io/v1"
KINDS = {
    "Gateway": (_NETWORKING, "gateways"),
    "VirtualService": (_NETWORKING, "virtualservices"),
    "DestinationRule": (_NETWORKING, "destinationrules"),
    "ServiceEntry": (_NETWORKING, "serviceentries"),
    "Sidecar": (_NETWORKING, "sidecars"),
    "AuthorizationPolicy": (_SECURITY, "authorizationpolicies"),
    "PeerAuthentication": (_SECURITY, "peerauthentications"),
    "RequestAuthentication": (_SECURITY, "requestauthentications"),
    "HTTPRoute": (_GATEWAY_API, "httproutes"),
}
"""The kinds that are read: version of the API and plural."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The `spec` of every object by kind, namespace and name, in all namespaces."""

    namespace: str
    specs: Mapping[tuple[str, str, str], Mapping[str, Any]]
    policies_changed: float | None = field(default=None, compare=False)

    @classmethod
    def read(cls, api: MeshApi) -> Configuration:
        """What the API has now; kinds of the Gateway API only where the cluster has them."""
        specs: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        policies: list[Object] = []
        for kind, (version, plural) in KINDS.items():
            if version == _GATEWAY_API and not api.serves(version):
                continue
            items = api.document(f"/apis/{version}/{plural}").get("items") or ()
            policies += items if version == _SECURITY else ()
            for item in items:
                metadata = item["metadata"]
                specs[kind, metadata["namespace"], metadata["name"]] = item.get("spec") or {}
        return cls(api.namespace, specs, last_change(policies))

    def has(self, wanted: ObjectsLike) -> bool:
        """Whether there is such an object; its field is a path such as `http.retries`, through lists, too."""
        return any(
            kind == wanted.kind
            and (namespace != self.namespace) == wanted.elsewhere
            and _fits(spec, wanted.field, wanted.value)
            for (kind, namespace, _), spec in self.specs.items()
        )


def _fits(spec: Mapping[str, Any], field: str, value: str | None) -> bool:
    if not field:
        return True
    found = list(_values(spec, field.split(".")))
    return bool(found) if value is None else value in map(str, found)


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _values(value[path[0]], path[1:])
