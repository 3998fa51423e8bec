"""Telemetry objects whose providers Istio ignores."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.catalog import Catalog
from localmesh.kinds.telemetry import TELEMETRY
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import listed

_PURPOSES = {
    "metrics": ("metrics", ("prometheus",)),
    "tracing": ("traces", ("zipkin", "opentelemetry", "datadog", "skywalking")),
    "accessLogging": (
        "access logs",
        ("envoyFileAccessLog", "envoyHttpAls", "envoyTcpAls", "envoyOtelAls"),
    ),
}


def telemetry(catalog: Catalog) -> Iterator[Problem]:
    """Providers that the mesh-wide settings do not have, or have for another purpose."""
    for resource in catalog.objects.of(TELEMETRY):
        for part, (purpose, kinds) in _PURPOSES.items():
            suitable = [item.name for item in catalog.mesh_config.extension_providers if item.kind in kinds]
            lowered = {name.lower() for name in suitable}
            for entry in resource.root.get("spec", part).items():
                for provider in entry.get("providers").items():
                    name = provider.get("name")
                    if name.text and name.text.lower() not in lowered:
                        known = f"there is {listed(suitable)}" if suitable else "there is none"
                        yield name.problem(warnings.UNKNOWN_PROVIDER, purpose=purpose, known=known)
