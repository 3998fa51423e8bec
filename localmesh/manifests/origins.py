"""Which file an object came from and what patched it, as kustomize's annotations tell it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ORIGIN = "config.kubernetes.io/origin"
TRANSFORMATIONS = "alpha.config.kubernetes.io/transformations"


def origin(body: Mapping[str, Any], folder: Path) -> tuple[str, tuple[str, ...]] | None:
    """The file of an object and the kustomizations that patched it; None without annotations.

    Both are given as the user would write them in the working folder; `folder` is what the
    annotations are relative to.
    """
    annotations = (body.get("metadata") or {}).get("annotations") or {}
    if ORIGIN not in annotations:
        return None
    file = yaml.safe_load(annotations[ORIGIN]).get("path", "")
    transformations = yaml.safe_load(annotations.get(TRANSFORMATIONS, "[]"))
    patched = [each["configuredIn"] for each in transformations if "Patch" in each["configuredBy"]["kind"]]
    return _from_here(file, folder), tuple(_from_here(str(Path(each).parent), folder) for each in patched)


def _from_here(path: str, folder: Path) -> str:
    return os.path.relpath(folder / path, Path.cwd().resolve())


def without_origin(body: dict[str, Any]) -> dict[str, Any]:
    """The object without kustomize's annotations."""
    metadata = body.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if ORIGIN not in annotations and TRANSFORMATIONS not in annotations:
        return body
    kept = {key: value for key, value in annotations.items() if key not in (ORIGIN, TRANSFORMATIONS)}
    bare = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**body, "metadata": {**bare, "annotations": kept} if kept else bare}
