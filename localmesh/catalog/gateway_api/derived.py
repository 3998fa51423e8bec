"""Objects that istiod makes of others, and where the parts of them are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localmesh.manifests import Resource
from localmesh.problems import FieldPath

Origins = Mapping[FieldPath, tuple[Resource, FieldPath]]


def derived(  # noqa: PLR0913 - an object has this many parts
    api_version: str,
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    *,
    source: Resource,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    origins: Origins | None = None,
) -> Resource:
    """An object of the namespace, place and age of its source."""
    metadata = {
        "name": name,
        "namespace": source.namespace,
        **({"labels": dict(labels)} if labels else {}),
        **({"annotations": dict(annotations)} if annotations else {}),
    }
    return replace(
        source,
        api_version=api_version,
        kind=kind,
        name=name,
        labels=labels or {},
        annotations=annotations or {},
        body={"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec},
        origins={FieldPath(): (source, FieldPath()), **(origins or {})},
    )
