"""The fields of Istio's kinds, and the cases that use them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from localmesh.kinds.gateway_api import GROUP, KUBERNETES_GATEWAY
from localmesh.manifests import Resource
from tests.conformance.case import ROOT, Case, compared_cases, unrecorded_cases
from tests.conformance.telemetry.inputs import TelemetryCase, telemetry_cases

_FATES = ROOT / "localmesh" / "tests" / "kinds" / "golden" / "fields.txt"
_PLAIN_KINDS = frozenset({"Service", "Deployment"})
_POLICIES = re.compile(r"^spec\.(subsets\[\]\.)?trafficPolicy\.(portLevelSettings\[\]\.)?")

Field = tuple[str, str]
"""A kind and a field's path, such as ``VirtualService``, ``spec.http[].timeout``."""


REFUSED_BY_ISTIO: frozenset[Field] = frozenset(
    {
        *(
            (kind, f"spec.{name}.namespace")
            for kind in ("AuthorizationPolicy", "RequestAuthentication", "Telemetry", "WasmPlugin")
            for name in ("targetRef", "targetRefs[]")
        ),
        ("EnvoyFilter", "spec.targetRefs[].namespace"),
        ("Gateway", "spec.servers[].port.targetPort"),
        ("Sidecar", "spec.ingress[].port.targetPort"),
        ("TrafficExtension", "spec.targetRefs[].namespace"),
        ("VirtualService", "spec.http[].fault.abort.http2Error"),
        ("VirtualService", "spec.http[].fault.delay.exponentialDelay"),
    }
)
"""Fields of the schemas that Istio's validation rejects, as localmesh does."""


@cache
def fates() -> dict[Field, str]:
    """Every field of Istio's kinds with its status: translated, unsupported or ineffective."""
    out = {}
    for line in _FATES.read_text(encoding="utf-8").splitlines():
        kind, path, fate = re.split(r" |: ", line, maxsplit=2)
        if kind not in _PLAIN_KINDS:
            out[kind, folded(path)] = fate
    return out


def folded(path: str) -> str:
    """One name for a field of a traffic policy, whether it is in a rule, in a subset or below a port.

    >>> folded("spec.subsets[].trafficPolicy.portLevelSettings[].tls.mode")
    'spec.trafficPolicy.tls.mode'
    """
    return _POLICIES.sub("spec.trafficPolicy.", path)


@cache
def uses() -> dict[Field, list[str]]:
    """The names of the recorded cases that use each field."""
    return _uses(compared_cases())


@cache
def telemetry_uses() -> dict[Field, list[str]]:
    """The names of the cases of Telemetry objects that use each field."""
    return _uses(telemetry_cases())


@cache
def planned_uses() -> dict[Field, list[str]]:
    """The names of the cases that use each field and have not been recorded yet."""
    return _uses(unrecorded_cases())


def _uses(of: Iterable[Case | TelemetryCase]) -> dict[Field, list[str]]:
    """The objects of a mesh belong to each of its cases."""
    names: dict[Field, list[str]] = {}
    for case in of:
        for field in sorted({field for resource in case.resources() for field in _used(resource)}):
            names.setdefault(field, []).append(case.name)
    return names


def _used(resource: Resource) -> Iterator[Field]:
    name = f"{resource.kind}.{GROUP}" if resource.is_a(KUBERNETES_GATEWAY) else resource.kind
    for part, value in resource.body.items():
        for path in _paths(value, part):
            field = (name, folded(path))
            if field in fates():
                yield field


def _paths(value: Any, path: str) -> Iterator[str]:
    yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _paths(below, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, f"{path}[]")
