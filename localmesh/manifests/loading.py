"""Manifests from everywhere → resources, or every problem at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from localmesh.manifests import codes
from localmesh.manifests.documents import Document, read_text
from localmesh.manifests.files import read_files
from localmesh.manifests.kustomize import build_kustomization
from localmesh.manifests.origins import origin, without_origin
from localmesh.manifests.problems import ManifestError, Place, Problem
from localmesh.manifests.resources import Loaded, Resource

_IGNORED = frozenset({"HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"})


def load(*, kustomizations: Sequence[Path] = (), files: Sequence[Path] = ()) -> Loaded:
    """The objects of kustomizations and files together; ManifestError with all that is wrong."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for directory in kustomizations:
        try:
            built = build_kustomization(directory)
            documents.extend(read_text(built.text, str(directory), built.folder))
        except ManifestError as error:
            problems.extend(error.problems)
    try:
        documents.extend(read_files(files))
    except ManifestError as error:
        problems.extend(error.problems)
    return _loaded(documents, problems)


def load_text(text: str, file: str = "<stdin>") -> Loaded:
    """The objects of one YAML text; ManifestError with all that is wrong."""
    return _loaded(read_text(text, file), [])


def _loaded(documents: Sequence[Document], problems: list[Problem]) -> Loaded:
    resources: list[Resource] = []
    for document in documents:
        for body in _unpacked(document.body):
            try:
                resources.append(_resource(body, document, len(resources)))
            except ManifestError as error:
                problems.extend(error.problems)
    if problems:
        raise ManifestError(problems)
    return Loaded(
        resources=tuple(each for each in resources if each.kind not in _IGNORED),
        ignored=tuple(each for each in resources if each.kind in _IGNORED),
    )


def _unpacked(body: Any) -> Iterator[Any]:
    if isinstance(body, dict) and body.get("kind") == "List":
        yield from body.get("items") or []
    else:
        yield body


def _resource(body: Any, document: Document, order: int) -> Resource:
    place = Place(document.file, line=document.line)
    if not isinstance(body, dict):
        raise ManifestError(
            [codes.NOT_AN_OBJECT.at(place, found="not an object", expected="apiVersion and kind")]
        )
    metadata = body.get("metadata") or {}
    kind, name = str(body.get("kind", "")), str(metadata.get("name", ""))
    namespace = "" if kind == "Namespace" else metadata.get("namespace") or "default"
    came_from = origin(body, document.folder) if document.folder else None
    file, patched_by = came_from or (document.file, ())
    line = None if came_from else document.line
    body = without_origin(body)
    metadata = body.get("metadata") or {}
    return Resource(
        api_version=str(body.get("apiVersion", "")),
        kind=kind,
        namespace=namespace,
        name=name,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        body=body,
        place=Place(file, kind, namespace, name, patched_by, line),
        order=order,
    )
