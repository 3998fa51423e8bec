"""What an apply asks for: where its manifests are, and how they stand beside those in force."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localmesh.analysis import reference_problems
from localmesh.manifests import LoadResult, Text, load, load_text, load_texts, located
from localmesh.runtime.changes import key, merged
from localmesh.runtime.desired_state import DesiredState

SOURCES = ("kustomizations", "files", "texts", "text")
"""What an order may name: lists of paths of this machine, a list of objects with `file` and `text` for files
of another one, or one text, whose name is then in `file`."""


def load_request(order: Mapping[str, Any]) -> LoadResult:
    """What an order names. Raises ManifestError, or KeyError and TypeError where it is of another shape."""
    if order.get("texts"):
        return load_texts([Text(str(each["file"]), str(each["text"])) for each in order["texts"]])
    if order.get("text"):
        return load_text(order["text"], order.get("file", "<text>"))
    return load(
        kustomizations=[Path(path) for path in order.get("kustomizations") or ()],
        files=[Path(path) for path in order.get("files") or ()],
    )


def ordered(order: Mapping[str, Any], plan: DesiredState, given: LoadResult) -> LoadResult:
    """What the mesh is to become: what was given, or what is in force with it (`merge`), or without it."""
    if order.get("delete"):
        return without(plan, given)
    return beside(plan, given) if order.get("merge") else given


def without(plan: DesiredState, given: LoadResult) -> LoadResult:
    """What is in force less what was given, by kinds and names."""
    gone = set(map(key, (*given.resources, *given.ignored)))
    return LoadResult(
        resources=tuple(each for each in plan.resources if key(each) not in gone),
        ignored=tuple(each for each in plan.ignored if key(each) not in gone),
    )


def absent(plan: DesiredState, given: LoadResult) -> list[str]:
    """The objects given that are not in force."""
    there = set(map(key, (*plan.resources, *plan.ignored)))
    return [each.place.subject for each in (*given.resources, *given.ignored) if key(each) not in there]


def beside(plan: DesiredState, loaded: LoadResult) -> LoadResult:
    """What was loaded put in beside what is in force, and what is doubtful of it there."""
    resources = merged(plan.resources, loaded.resources)
    return LoadResult(
        resources=tuple(resources),
        ignored=tuple(merged(plan.ignored, loaded.ignored)),
        warnings=located(reference_problems(resources), loaded),
    )
