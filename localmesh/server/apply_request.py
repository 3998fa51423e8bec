"""The body of `POST /mesh/apply`: which manifests, and how they combine with the current objects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

from localmesh.analysis import analyze, refuse
from localmesh.catalog import Catalog
from localmesh.errors import InvalidRequestError
from localmesh.manifests import LoadResult, Text, load, load_text, load_texts, located
from localmesh.manifests.positions import Source
from localmesh.manifests.schema import validation_problems
from localmesh.problems import Place, Problem
from localmesh.problems.fields import listed
from localmesh.runtime.changes import ObjectKey, key, merged, with_mesh_settings
from localmesh.runtime.desired_state import DesiredState

SOURCES = ("kustomizations", "files", "texts", "text", "meshConfig")
"""Where the manifests are: paths on this machine, the texts of files, or one text."""

_DELETE = "delete"
_STRING, _FLAG = {"type": "string"}, {"type": "boolean"}
_TEXT = {
    "type": "object",
    "properties": {"file": _STRING, "text": _STRING},
    "required": ["file", "text"],
    "additionalProperties": False,
}
_REFERENCE = {
    "type": "object",
    "properties": dict.fromkeys(("group", "kind", "namespace", "name"), _STRING),
    "required": ["group", "kind", "namespace", "name"],
    "additionalProperties": False,
}
_REQUEST = {
    "type": "object",
    "properties": {
        "kustomizations": {"type": "array", "items": _STRING},
        "files": {"type": "array", "items": _STRING},
        "texts": {"type": "array", "items": _TEXT},
        "text": _STRING,
        "file": _STRING,
        "merge": _FLAG,
        "delete": {"type": "array", "items": _REFERENCE},
        "strict": _FLAG,
        "namespace": _STRING,
        "meshConfig": _TEXT,
    },
    "additionalProperties": False,
}
_SCHEMA: dict[str, Any] = {"$ref": "#/$defs/request", "$defs": {"request": _REQUEST}}
_VALIDATOR = jsonschema_rs.Draft202012Validator(_SCHEMA)
_BODY = Place("request body")


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """A validated request.

    By default the manifests replace all current objects, with `merge` they are added to them. `delete`
    removes objects, which needs no manifests. `strict` turns warnings into errors. `file` is the name of
    `text` in problems, `namespace` that of objects that name none. `mesh_config` is a file with mesh-wide
    settings.
    """

    kustomizations: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    texts: tuple[Text, ...] = ()
    text: str = ""
    file: str = "<text>"
    merge: bool = False
    delete: frozenset[ObjectKey] = frozenset()
    strict: bool = False
    namespace: str = "default"
    mesh_config: Text | None = None

    @classmethod
    def parse(cls, body: Any) -> ApplyRequest:
        """The request in a JSON document. Raises InvalidRequestError with every problem."""
        problems = list(validation_problems(body, _VALIDATOR, _SCHEMA, _BODY))
        if problems:
            raise InvalidRequestError("\n\n".join(map(str, problems)))
        sources = [source for source in SOURCES if body.get(source)]
        if not sources and _DELETE not in body:
            raise InvalidRequestError(f"the request names no manifests: give {listed(SOURCES, 'or')}")
        if sources and _DELETE in body:
            raise InvalidRequestError(f"the request has both {sources[0]} and {_DELETE}: send two requests")
        converted: dict[str, Any] = {
            "kustomizations": tuple(map(Path, body.get("kustomizations", ()))),
            "files": tuple(map(Path, body.get("files", ()))),
            "texts": tuple(Text(**text) for text in body.get("texts", ())),
            _DELETE: frozenset(_key(reference) for reference in body.get(_DELETE, ())),
        }
        settings = body.get("meshConfig")
        converted["mesh_config"] = Text(**settings) if settings else None
        given = {name: value for name, value in body.items() if name != "meshConfig"}
        return cls(**{**given, **converted})

    def load(self) -> LoadResult:
        """The objects of the manifests. Raises ManifestError."""
        if self.texts:
            return load_texts(self.texts, self.namespace, self.mesh_config)
        if self.text:
            return load_text(self.text, self.file, self.namespace, self.mesh_config)
        if self.delete:
            return LoadResult(())
        return load(
            kustomizations=self.kustomizations,
            files=self.files,
            namespace=self.namespace,
            mesh_config=self.mesh_config,
        )

    def combined(self, current: DesiredState, given: LoadResult) -> LoadResult:
        """All objects that the mesh is to have after the request, and where each was read."""
        if self.delete:
            return _without(current, self.delete)
        if self.merge:
            return _with(current, given)
        resources = with_mesh_settings(current.resources, given.resources)
        return LoadResult(resources, given.ignored, _sources(current, given))

    def review(self, catalog: Catalog, given: LoadResult, current: DesiredState) -> tuple[Problem, ...]:
        """The warnings about the new mesh; of a change only those that are new or about given objects.

        Raises ManifestError with them if `strict`.
        """
        warnings = analyze(catalog)
        if self.merge or self.delete:
            before = frozenset(analyze(current.catalog))
            warnings = tuple(
                warning for warning in warnings if warning.place in given.sources or warning not in before
            )
        warnings = located((*given.warnings, *warnings), _sources(current, given))
        if self.strict:
            refuse(warnings)
        return warnings


def _key(reference: Mapping[str, str]) -> ObjectKey:
    return (reference["group"], reference["kind"], reference["namespace"], reference["name"])


def _without(current: DesiredState, removed: Collection[ObjectKey]) -> LoadResult:
    return LoadResult(
        resources=tuple(item for item in current.resources if key(item) not in removed),
        ignored=tuple(item for item in current.ignored if key(item) not in removed),
        sources=current.sources,
    )


def _with(current: DesiredState, given: LoadResult) -> LoadResult:
    return LoadResult(
        resources=tuple(merged(current.resources, given.resources)),
        ignored=tuple(merged(current.ignored, given.ignored)),
        sources=_sources(current, given),
    )


def _sources(current: DesiredState, given: LoadResult) -> dict[Place, Source]:
    """Where the objects of the mesh and of the request were read."""
    return {**current.sources, **given.sources}
