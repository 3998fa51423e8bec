"""The mesh-wide defaults of `exportTo` (istio: MeshConfig, `defaultVirtualServiceExportTo` and others)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

EVERYWHERE = ("*",)
"""Istio's own default: all namespaces."""
PRIVATE = "."
"""The object's own namespace."""

Exported = TypeVar("Exported", bound=Any)


def with_default_export(objects: Iterable[Exported], export_to: Sequence[str]) -> tuple[Exported, ...]:
    """Dataclasses with `export_to`; those without a value get the default."""
    if tuple(export_to) in (EVERYWHERE, ()):
        return tuple(objects)
    return tuple(each if each.export_to else replace(each, export_to=tuple(export_to)) for each in objects)


def default_of_rules(export_to: Sequence[str]) -> Sequence[str]:
    """The default of DestinationRules, of which Istio honours only the one that keeps them private.

    istiod: pilot/pkg/model/push_context.go, `setDestinationRules`.
    """
    return (PRIVATE,) if PRIVATE in export_to else EVERYWHERE
