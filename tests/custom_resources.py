"""Validate custom resources of other tools with their published schemas, as strictly as the API server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema

DEFINITIONS = Path(__file__).parent / "schemas"
_ALWAYS_ALLOWED = ("apiVersion", "kind", "metadata")

Schema = dict[str, Any]


def problems(resource: Mapping[str, Any]) -> Iterator[str]:
    """The problems of an object of a pinned kind: unknown and missing fields, wrong types and values."""
    definition = json.loads((DEFINITIONS / f"{str(resource['kind']).lower()}.json").read_text())
    group, _, version = str(resource["apiVersion"]).partition("/")
    assert group == definition["spec"]["group"]
    served = {
        version["name"]: version["schema"] for version in definition["spec"]["versions"] if version["served"]
    }
    schema = strict(served[version]["openAPIV3Schema"])
    for name in _ALWAYS_ALLOWED:
        schema["properties"][name] = {}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(resource):
        yield f"{error.json_path}: {error.message}"


def strict(schema: Schema) -> Schema:
    """A structural schema as a JSON schema in which an unknown field is an error instead of pruned."""
    out = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if schema.get("nullable") and "type" in out:
        out["type"] = [out["type"], "null"]
    if "items" in out:
        out["items"] = strict(out["items"])
    if isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = strict(out["additionalProperties"])
    if "properties" in out:
        out["properties"] = {name: strict(item) for name, item in out["properties"].items()}
    if schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        out.setdefault("additionalProperties", False)
    return out
