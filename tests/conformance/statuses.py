"""The statuses that istiod writes to the objects of the Gateway API, recorded beside the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from localmesh.catalog import build
from localmesh.manifests import Resource
from tests.conformance.case import Case

Json = dict[str, Any]
Statuses = dict[str, Json]
"""By kind, namespace and name: ``HTTPRoute shop/web``."""

_HEAD = "# Recorded by `python -m tests.conformance.record`; not written by hand.\n"
_FILE = "status.yaml"
_TIME = "lastTransitionTime"


def is_recorded(case: Case) -> bool:
    """Whether there is a recording of the statuses of a case."""
    return (case.folder / _FILE).exists()


def read(case: Case) -> Statuses:
    """The recorded statuses of a case."""
    statuses: Statuses = yaml.safe_load((case.folder / _FILE).read_text(encoding="utf-8"))
    return statuses


def write(case: Case, statuses: Mapping[str, Json]) -> None:
    """Records the statuses of a case, without the times of their conditions; nothing if there are none."""
    if statuses:
        without_times = {key: _without_times(statuses[key]) for key in sorted(statuses)}
        text = yaml.safe_dump(without_times, sort_keys=False, width=110)
        (case.folder / _FILE).write_text(_HEAD + text, encoding="utf-8")


def localmesh_statuses(resources: Iterable[Resource]) -> Statuses:
    """The statuses that localmesh gives the objects of a case."""
    resources = tuple(resources)
    catalog = build(resources)
    found = ((resource, catalog.gateway_api.status_of(resource)) for resource in resources)
    return {
        key(item.kind, item.namespace, item.name): _without_times(status) for item, status in found if status
    }


def key(kind: str, namespace: str, name: str) -> str:
    """What an object is called in the recording.

    >>> key("HTTPRoute", "shop", "web"), key("GatewayClass", "", "istio")
    ('HTTPRoute shop/web', 'GatewayClass istio')
    """
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _without_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_times(inner) for name, inner in value.items() if name != _TIME}
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    return value
