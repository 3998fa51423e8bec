"""Which file an object came from and what patched it, as kustomize's annotations tell it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ORIGIN = "config.kubernetes.io/origin"
TRANSFORMATIONS = "alpha.config.kubernetes.io/transformations"
_PATCHES = frozenset(
    {
        "PatchTransformer",
        "PatchStrategicMergeTransformer",
        "PatchJson6902Transformer",
        "ReplacementTransformer",
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The file an object was written in and the kustomizations that patched it, as seen from here."""

    file: str
    patched_by: tuple[str, ...]


def origin(body: Mapping[str, Any], folder: Path) -> Origin | None:
    """Where kustomize says an object is from; `folder` is what its annotations are relative to."""
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict) or ORIGIN not in annotations:
        return None
    told = yaml.safe_load(annotations[ORIGIN])
    steps = yaml.safe_load(annotations.get(TRANSFORMATIONS, "[]"))
    patches = [Path(step["configuredIn"]) for step in steps if step["configuredBy"]["kind"] in _PATCHES]
    file = told.get("path") or told.get("configuredIn") or ""
    return Origin(
        file=f"{told['repo']}/{file}" if "repo" in told else _from_here(folder / file),
        patched_by=tuple(dict.fromkeys(_from_here(folder / patch.parent) for patch in patches)),
    )


def _from_here(path: Path) -> str:
    return os.path.relpath(path, Path.cwd().resolve())


def without_origin(body: dict[str, Any]) -> dict[str, Any]:
    """The object without kustomize's annotations."""
    metadata = body["metadata"]
    kept = {
        key: value for key, value in metadata["annotations"].items() if key not in {ORIGIN, TRANSFORMATIONS}
    }
    bare = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**body, "metadata": {**bare, "annotations": kept} if kept else bare}
