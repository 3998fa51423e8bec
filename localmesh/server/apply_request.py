"""The body of `POST /mesh/apply`: which manifests, and how they combine with the current objects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

from localmesh.analysis import analyze, refuse
from localmesh.catalog import Catalog
from localmesh.errors import InvalidRequestError
from localmesh.manifests import LoadResult, Text, load, load_text, load_texts, located
from localmesh.manifests.schema import validation_problems
from localmesh.problems import Place, Problem
from localmesh.problems.fields import listed
from localmesh.runtime.changes import key, merged
from localmesh.runtime.desired_state import DesiredState

SOURCES = ("kustomizations", "files", "texts", "text")
"""Where the manifests are: paths on this machine, the texts of files, or one text."""

_STRING, _FLAG = {"type": "string"}, {"type": "boolean"}
_TEXT = {
    "type": "object",
    "properties": {"file": _STRING, "text": _STRING},
    "required": ["file", "text"],
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
        "delete": _FLAG,
        "strict": _FLAG,
    },
    "additionalProperties": False,
}
_SCHEMA: dict[str, Any] = {"$ref": "#/$defs/request", "$defs": {"request": _REQUEST}}
_VALIDATOR = jsonschema_rs.Draft202012Validator(_SCHEMA)
_BODY = Place("request body")


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """A validated request.

    By default the manifests replace all current objects. With `merge` they are added to them, with
    `delete` removed from them. `strict` turns warnings into errors. `file` names `text` in problems.
    """

    kustomizations: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    texts: tuple[Text, ...] = ()
    text: str = ""
    file: str = "<text>"
    merge: bool = False
    delete: bool = False
    strict: bool = False

    @classmethod
    def parse(cls, body: Any) -> ApplyRequest:
        """The request in a JSON document. Raises InvalidRequestError with every problem."""
        problems = list(validation_problems(body, _VALIDATOR, _SCHEMA, _BODY))
        if problems:
            raise InvalidRequestError("\n\n".join(map(str, problems)))
        if not any(body.get(source) for source in SOURCES):
            raise InvalidRequestError(f"the request names no manifests: give {listed(SOURCES, 'or')}")
        converted = {
            "kustomizations": tuple(map(Path, body.get("kustomizations", ()))),
            "files": tuple(map(Path, body.get("files", ()))),
            "texts": tuple(Text(**text) for text in body.get("texts", ())),
        }
        return cls(**{**body, **converted})

    def load(self) -> LoadResult:
        """The objects of the manifests. Raises ManifestError."""
        if self.texts:
            return load_texts(self.texts)
        if self.text:
            return load_text(self.text, self.file)
        return load(kustomizations=self.kustomizations, files=self.files)

    def combined(self, current: DesiredState, given: LoadResult) -> LoadResult:
        """All objects that the mesh is to have after the request."""
        if self.delete:
            return _without(current, given)
        return _with(current, given) if self.merge else given

    def review(self, before: DesiredState, catalog: Catalog, given: LoadResult) -> tuple[Problem, ...]:
        """The warnings about the mesh that results: in the given objects, and what is new in all others.

        Raises ManifestError with them if `strict`.
        """
        known = frozenset(analyze(before.catalog)) if self.merge or self.delete else frozenset()
        found = (
            warning
            for warning in analyze(catalog)
            if warning not in known or (warning.place in given.sources and not self.delete)
        )
        warnings = located(found, given)
        if self.strict:
            refuse(warnings)
        return warnings


def absent(current: DesiredState, given: LoadResult) -> list[str]:
    """The given objects that the mesh does not have."""
    existing = set(map(key, (*current.resources, *current.ignored)))
    return [item.place.subject for item in (*given.resources, *given.ignored) if key(item) not in existing]


def _without(current: DesiredState, given: LoadResult) -> LoadResult:
    removed = set(map(key, (*given.resources, *given.ignored)))
    return LoadResult(
        resources=tuple(item for item in current.resources if key(item) not in removed),
        ignored=tuple(item for item in current.ignored if key(item) not in removed),
    )


def _with(current: DesiredState, given: LoadResult) -> LoadResult:
    return LoadResult(
        resources=tuple(merged(current.resources, given.resources)),
        ignored=tuple(merged(current.ignored, given.ignored)),
    )
