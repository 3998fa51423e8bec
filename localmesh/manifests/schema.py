"""Checking objects against the JSON schemas of their kinds."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from localmesh.manifests.durations import is_duration
from localmesh.manifests.problems import Place, Problem
from localmesh.manifests.schema_words import Failure, problems_of


def schema_problems(body: Mapping[str, Any], kind: str, place: Place) -> Iterator[Problem]:
    """Where an object differs from what its kind allows; a kind is written like `apps/v1/Deployment`."""
    validator = _validator(kind)
    if validator.is_valid(body):
        return
    errors = list(validator.iter_errors(body))
    wrong_types = {tuple(error.instance_path) for error in errors if error.kind.name == "type"}
    for error in errors:
        # What has a wrong type altogether fails its other rules too, and only the type is worth a word.
        if error.kind.name == "type" or tuple(error.instance_path) not in wrong_types:
            yield from problems_of(Failure(error, _schema(kind), place))


@cache
def _schema(kind: str) -> dict[str, Any]:
    for name in ("istio.json", "kubernetes.json"):
        source = _source(name)
        if kind in source["kinds"]:
            return {"$ref": f"#/$defs/{source['kinds'][kind]}", "$defs": source["$defs"]}
    raise KeyError(kind)


@cache
def _source(name: str) -> dict[str, Any]:
    text = (files("localmesh.manifests") / "schemas" / name).read_text(encoding="utf-8")
    source: dict[str, Any] = json.loads(text)
    return source


@cache
def _validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    formats = {"go-duration": is_duration, "byte": _is_base64}
    return jsonschema_rs.Draft202012Validator(_schema(kind), formats=formats, validate_formats=True)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
