"""Documents → objects with their origin, and problems of documents that are not objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localmesh.kinds import group_of, kind_of
from localmesh.manifests.documents import Document
from localmesh.manifests.files import KUSTOMIZATION_NAMES
from localmesh.manifests.origins import origin, without_origin
from localmesh.manifests.patches import Patches
from localmesh.manifests.positions import Source
from localmesh.manifests.resources import Resource
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.codes import syntax
from localmesh.problems.fields import listed, quoted

DEFAULT_NAMESPACE = "default"
"""The namespace of objects that name none."""


@dataclass(frozen=True, slots=True)
class Object:
    """A document, or an item of a List, that should be an object."""

    body: Any
    source: Source


def objects(document: Document) -> Iterator[Object]:
    """The objects of a document: the document itself, or the items of a List, ServiceList and so on."""
    body = document.body
    is_list = isinstance(body, dict) and isinstance(body.get("items"), list)
    if is_list and isinstance(body.get("kind"), str) and body["kind"].endswith("List"):
        for index, item in enumerate(body["items"]):
            yield Object(item, Source(document, FieldPath("items", index)))
    else:
        yield Object(body, Source(document, FieldPath()))


def object_problems(candidate: Object) -> Iterator[Problem]:
    """Why a value is not an object: not a mapping, or without apiVersion or kind."""
    body = candidate.body
    place = Place(candidate.source.document.file)
    if not isinstance(body, dict):
        yield syntax.NOT_AN_OBJECT.at(
            place,
            found=f"found {quoted(body)}",
            expected="apiVersion, kind and metadata",
            remedy="write a Kubernetes object or remove the document",
        )
        return
    wrong = [name for name in ("apiVersion", "kind") if not isinstance(body.get(name), str) or not body[name]]
    if wrong:
        yield syntax.NOT_AN_OBJECT.at(
            place,
            found=f"{listed(wrong)} {'is' if len(wrong) == 1 else 'are'} missing or not a string",
            expected="apiVersion, kind and metadata",
            remedy=_remedy(candidate, wrong),
        )


def _remedy(candidate: Object, wrong: list[str]) -> str:
    if candidate.source.document.file.endswith(KUSTOMIZATION_NAMES):
        return "pass its folder with -k instead"
    return f"add {listed(wrong)}, or remove the file if it is not a manifest"


def resource(
    candidate: Object, order: int, patches: Patches, default_namespace: str = DEFAULT_NAMESPACE
) -> Resource:
    """The object as a resource; values that should be strings and are not count as absent."""
    body, document = candidate.body, candidate.source.document
    came_from = origin(body, document.folder, patches) if document.folder else None
    if came_from:
        body = without_origin(body)
    metadata = _mapping(body.get("metadata"))
    api_version, kind, name = body["apiVersion"], body["kind"], _text(metadata.get("name"))
    known = kind_of(api_version, kind)
    namespaced = known is None or known.namespaced
    namespace = _text(metadata.get("namespace")) or default_namespace if namespaced else ""
    group = group_of(api_version)
    if came_from:
        place = Place(came_from.file, kind, namespace, name, came_from.patched_by, group=group)
    else:
        line = None if document.folder else document.line
        place = Place(document.file, kind, namespace, name, line=line, group=group)
    return Resource(
        api_version=api_version,
        kind=kind,
        namespace=namespace,
        name=name,
        labels=_mapping(metadata.get("labels")),
        annotations=_mapping(metadata.get("annotations")),
        body=body,
        place=place,
        order=order,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
