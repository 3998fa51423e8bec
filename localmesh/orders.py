"""What an apply asks for: where its manifests are, and how they stand beside those in force."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localmesh.changes import merged
from localmesh.manifests import Loaded, Text, load, load_text, load_texts, located
from localmesh.manifests.references import reference_problems
from localmesh.plan import Plan

SOURCES = ("kustomizations", "files", "texts", "text")
"""What an order may name: lists of paths of this machine, a list of objects with `file` and `text` for files
of another one, or one text, whose name is then in `file`."""


def load_ordered(order: Mapping[str, Any]) -> Loaded:
    """What an order names. Raises ManifestError, or KeyError and TypeError where it is of another shape."""
    if order.get("texts"):
        return load_texts([Text(str(each["file"]), str(each["text"])) for each in order["texts"]])
    if order.get("text"):
        return load_text(order["text"], order.get("file", "<text>"))
    return load(
        kustomizations=[Path(path) for path in order.get("kustomizations") or ()],
        files=[Path(path) for path in order.get("files") or ()],
    )


def beside(plan: Plan, loaded: Loaded) -> Loaded:
    """What was loaded put in beside what is in force, and what is doubtful of it there."""
    resources = merged(plan.resources, loaded.resources)
    return Loaded(
        resources=tuple(resources),
        ignored=tuple(merged(plan.ignored, loaded.ignored)),
        warnings=located(reference_problems(resources), loaded),
    )
