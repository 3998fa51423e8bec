"""The file an object came from and what patched it, from the annotations of kustomize."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from localmesh.kinds import group_of
from localmesh.manifests.patches import Patches

ORIGIN = "config.kubernetes.io/origin"
TRANSFORMATIONS = "alpha.config.kubernetes.io/transformations"
_RENAMING = frozenset({"PrefixTransformer", "SuffixTransformer", "PrefixSuffixTransformer"})
_PATCHING = frozenset(
    {
        "PatchTransformer",
        "PatchStrategicMergeTransformer",
        "PatchJson6902Transformer",
        "ReplacementTransformer",
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """The file of an object and the kustomizations that patched it, relative to the working folder."""

    file: str
    patched_by: tuple[str, ...]


def origin(body: Mapping[str, Any], folder: Path, patches: Patches) -> Origin | None:
    """The origin of an object; the annotations of kustomize are relative to `folder`."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return None
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict) or ORIGIN not in annotations:
        return None
    source = _parsed(annotations[ORIGIN])
    steps = _parsed(annotations.get(TRANSFORMATIONS, "[]"))
    renamed = any(step["configuredBy"]["kind"] in _RENAMING for step in steps)
    name = None if renamed else str(metadata.get("name", ""))
    group = group_of(str(body.get("apiVersion")))
    folders = [
        _joined(folder, step["configuredIn"]).parent
        for step in steps
        if step["configuredBy"]["kind"] in _PATCHING
    ]
    patched_by = [
        path for path in dict.fromkeys(folders) if patches.touch(path, group, str(body.get("kind")), name)
    ]
    file = source.get("path") or source.get("configuredIn") or ""
    return Origin(
        file=f"{source['repo']}/{file}" if "repo" in source else _relative(_joined(folder, file)),
        patched_by=tuple(map(_relative, patched_by)),
    )


@lru_cache(maxsize=256)
def _parsed(annotation: str) -> Any:
    return yaml.load(annotation, Loader=yaml.CSafeLoader)


def _joined(folder: Path, path: str) -> Path:
    # Without the file system: the folder in which kustomize ran was removed by now.
    return Path(os.path.normpath(folder / path))


def _relative(path: Path) -> str:
    return os.path.relpath(path, Path.cwd().resolve())


def without_origin(body: dict[str, Any]) -> dict[str, Any]:
    """The object without kustomize's annotations."""
    metadata = body["metadata"]
    kept = {
        key: value for key, value in metadata["annotations"].items() if key not in {ORIGIN, TRANSFORMATIONS}
    }
    bare = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**body, "metadata": {**bare, "annotations": kept} if kept else bare}
