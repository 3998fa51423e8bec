"""Validation of objects against the JSON schemas of their kinds."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from localmesh.formats.durations import is_duration, nanoseconds
from localmesh.manifests.schema_errors import Failure, problems_of
from localmesh.problems import FieldPath, Place, Problem


def schema_problems(body: Mapping[str, Any], kind: str, place: Place) -> Iterator[Problem]:
    """The differences between an object and the schema of its kind, written as `apps/v1/Deployment`."""
    yield from validation_problems(body, _validator(kind), _schema(kind), place)


def validation_problems(
    body: object, validator: jsonschema_rs.Draft202012Validator, schema: Mapping[str, Any], place: Place
) -> Iterator[Problem]:
    """Where a document differs from a schema, of which `validator` was made; its root is a `$ref`."""
    if validator.is_valid(body):
        return
    failures = [Failure(error, schema, place) for error in validator.iter_errors(body)]
    explained = set(_explained(failures))
    for failure in failures:
        if failure.key not in explained:
            yield from problems_of(failure)


def _explained(failures: Sequence[Failure]) -> Iterator[tuple[str, FieldPath]]:
    """Failures that are only the consequence of another, so that a mistake is reported once."""
    wrong_types = {failure.path for failure in failures if failure.keyword == "type"}
    for failure in failures:
        if failure.keyword != "type" and failure.path in wrong_types:
            yield failure.key
        if failure.keyword == "required" and any(
            failure.is_misspelled_in(other) for other in failures if other.path == failure.path
        ):
            yield failure.key


@cache
def _schema(kind: str) -> dict[str, Any]:
    for name in ("istio.json", "kubernetes.json", "gateway_api.json"):
        source = schema_file(name)
        if kind in source["kinds"]:
            return {"$ref": f"#/$defs/{source['kinds'][kind]}", "$defs": source["$defs"]}
    raise KeyError(kind)


@cache
def schema_file(name: str) -> dict[str, Any]:
    """The content of a file that scripts/generate_schemas.py has made."""
    text = (files("localmesh.manifests") / "schemas" / name).read_text(encoding="utf-8")
    source: dict[str, Any] = json.loads(text)
    return source


@cache
def _validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(kind), formats=FORMATS, validate_formats=True)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


FORMATS = {
    "any-go-duration": lambda text: nanoseconds(text) is not None,
    "byte": _is_base64,
    "go-duration": is_duration,
}
"""The formats of strings in the schemas."""
