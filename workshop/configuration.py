"""The objects that trainees write, as the API has them: whether they changed, and what there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from loadgen.errors import Refused
from loadgen.meshstate import MeshApi
from loadgen.meshstate.resources import Object
from loadgen.meshstate.security import last_change
from workshop.exercise import ObjectsLike

_NETWORKING = "networking.istio.io/v1"
_SECURITY = "security.istio.io/v1"
_TELEMETRY = "telemetry.istio.io/v1"
_GATEWAY_API = "gateway.networking.k8s.io/v1"
KINDS = {
    "Service": ("v1", "services"),
    "Gateway": (_NETWORKING, "gateways"),
    "VirtualService": (_NETWORKING, "virtualservices"),
    "DestinationRule": (_NETWORKING, "destinationrules"),
    "ServiceEntry": (_NETWORKING, "serviceentries"),
    "Sidecar": (_NETWORKING, "sidecars"),
    "AuthorizationPolicy": (_SECURITY, "authorizationpolicies"),
    "PeerAuthentication": (_SECURITY, "peerauthentications"),
    "RequestAuthentication": (_SECURITY, "requestauthentications"),
    "Telemetry": (_TELEMETRY, "telemetries"),
    "HTTPRoute": (_GATEWAY_API, "httproutes"),
}
"""The kinds that are read: version of the API and plural."""


DEFAULT = "default"
"""The namespace where `kubectl apply` puts objects that name none: the wrong one that people choose."""
Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The `spec` of each object of the application's namespace by kind and name, and those of the wrong one.

    Two are equal if those of the application's namespace are: others may use the cluster meanwhile.
    """

    own: Mapping[tuple[str, str], Spec]
    elsewhere: Mapping[tuple[str, str], Spec] = field(default_factory=dict, compare=False)
    listeners_changed: float | None = field(default=None, compare=False)

    @classmethod
    def read(cls, api: MeshApi) -> Configuration:
        """What the API has now; none elsewhere if it may not be read."""
        objects = _objects(api)
        with api.in_namespace(DEFAULT) as other, suppress(Refused):
            elsewhere = _objects(other)
            return cls(_specs(objects), _specs(elsewhere), _listeners_changed(objects))
        return cls(_specs(objects), {}, _listeners_changed(objects))

    def has(self, wanted: ObjectsLike) -> bool:
        """Whether there is such an object; its field is a path such as `http.retries`, through lists, too."""
        specs = self.elsewhere if wanted.elsewhere else self.own
        return any(
            kind == wanted.kind and _fits(spec, wanted.field, wanted.value)
            for (kind, _), spec in specs.items()
        )


def _objects(api: MeshApi) -> list[tuple[str, Object]]:
    """The objects of a namespace, each with its kind; those of the Gateway API if the cluster has it."""
    kinds = {kind: where for kind, where in KINDS.items() if where[0] != _GATEWAY_API or api.serves(*where)}
    return [
        (kind, item) for kind, (version, plural) in kinds.items() for item in api.objects(version, plural)
    ]


def _specs(objects: list[tuple[str, Object]]) -> dict[tuple[str, str], Spec]:
    return {(kind, item["metadata"]["name"]): item.get("spec") or {} for kind, item in objects}


def _listeners_changed(objects: list[tuple[str, Object]]) -> float | None:
    """When an object last changed for which Istio replaces listeners: open connections do not follow it."""
    return last_change(item for kind, item in objects if KINDS[kind][0] in {_SECURITY, _TELEMETRY})


def _fits(spec: Spec, field: str, value: str | None) -> bool:
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
