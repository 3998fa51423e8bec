"""The mesh-wide settings: the text `mesh` of the ConfigMap `istio` in `istio-system`, or a file of its own.

Istio, "Global Mesh Options". Istio reads the text as protobuf's JSON form and ignores fields that it does not
know (istio: pkg/config/mesh, ApplyMeshConfig).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Any

import jsonschema_rs

from localmesh.kinds.config_map import CONFIG_MAP
from localmesh.kinds.mesh_config import ISTIO_DEFAULTS, MESH_CONFIG_RULES, UNSUPPORTED
from localmesh.manifests.documents import Document, Reading, read_text
from localmesh.manifests.files import Text
from localmesh.manifests.resources import Resource, without_null_fields
from localmesh.manifests.schema import FORMATS, schema_file, validation_problems
from localmesh.manifests.support import field_tree, unsupported_fields
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.codes import invalid, syntax, warnings
from localmesh.problems.fields import Field

SYSTEM_NAMESPACE = "istio-system"
CONFIG_MAP_NAME = "istio"
KEY = "mesh"
TEXT = FieldPath("data", KEY)
"""Where the settings are in the ConfigMap."""
FROM_OPTION = "localmesh/mesh-config"
"""The annotation of a ConfigMap that was made from a file with settings; its value is the file's name."""

Json = dict[str, Any]
_UNSUPPORTED = field_tree(UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """The settings as they are written, with the names of protobuf's JSON form, and what is wrong with them.

    `root` is a field of the ConfigMap; fields that Istio does not know are not in it, but in `unknown`.
    """

    root: Field
    problems: tuple[Problem, ...] = ()
    unknown: tuple[Problem, ...] = ()

    @property
    def body(self) -> Mapping[str, Any]:
        """The settings as plain data."""
        value: Mapping[str, Any] = self.root.value
        return value


def has_mesh_settings(resource: Resource) -> bool:
    """Whether an object is the ConfigMap with the mesh-wide settings, and has any."""
    name = (resource.namespace, resource.name)
    is_named = resource.is_a(CONFIG_MAP) and name == (SYSTEM_NAMESPACE, CONFIG_MAP_NAME)
    return is_named and isinstance(resource.data, dict) and isinstance(resource.data.get(KEY), str)


def mesh_settings(resource: Resource) -> MeshSettings:
    """The settings in the ConfigMap for which `has_mesh_settings` is true."""
    text = resource.root.get(*TEXT)
    reading = read_text(text.value, resource.place.file)
    empty = Field({}, text.place, resource.root.get("data"), KEY)
    if reading.problems:
        return MeshSettings(empty, (_malformed(text, reading.problems[0]),))
    if not reading.documents:
        return MeshSettings(empty)
    body = reading.documents[0].body
    if isinstance(body, dict) and isinstance(body.get("kind"), str):
        return MeshSettings(empty, (_is_object(text, body["kind"]),))
    if isinstance(body, dict):
        body = _renamed(without_null_fields(body), _schema())
    failures = list(_schema_problems(body, resource.place))
    unknown = tuple(map(_ignored, filter(_is_unknown_field, failures)))
    wrong = tuple(failure for failure in failures if not _is_unknown_field(failure))
    if wrong:
        return MeshSettings(empty, wrong, unknown)
    for problem in unknown:
        _remove(body, FieldPath(*problem.path[len(TEXT) :]))
    root = Field(body, text.place, resource.root.get("data"), KEY)
    problems = chain.from_iterable(rule(root) for rule in MESH_CONFIG_RULES)
    unsupported = (
        problem for problem in unsupported_fields(root, _UNSUPPORTED) if not _is_default(root, problem)
    )
    return MeshSettings(root, (*problems, *unsupported), unknown)


def config_map_of(file: Text) -> tuple[Json, Document]:
    """The ConfigMap that a file with mesh-wide settings stands for, and the document of its lines."""
    metadata = {
        "name": CONFIG_MAP_NAME,
        "namespace": SYSTEM_NAMESPACE,
        "annotations": {FROM_OPTION: file.file},
    }
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: file.text}}
    return body, Document(body, file.file, 1, file.text, text_of=TEXT)


def read_mesh_config(file: Text | None) -> Reading:
    """The document of a file with mesh-wide settings."""
    return Reading() if file is None else Reading((config_map_of(file)[1],))


def _malformed(text: Field, problem: Problem) -> Problem:
    """The problem of the inner text, at the place of the outer one, whose line is known."""
    if text.place.kind and problem.place.line is not None:
        message = f"{problem.message} (line {problem.place.line} of the text)"
        return replace(problem, place=text.place, path=text.path, message=message)
    return replace(problem, place=text.place, path=text.path)


def _is_object(text: Field, kind: str) -> Problem:
    found = f"found an object of kind {kind}"
    if kind == "ConfigMap":
        remedy = "give the manifest with -f, or only what is under its key mesh"
    else:
        remedy = "write only what is under its meshConfig"
    return text.problem(syntax.NOT_AN_OBJECT, found=found, expected="the fields of MeshConfig", remedy=remedy)


@cache
def _schema() -> Json:
    source = schema_file("mesh_config.json")
    return {"$ref": source["$ref"], "$defs": source["$defs"]}


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(), formats=FORMATS, validate_formats=True)


def _schema_problems(body: object, place: Place) -> Iterator[Problem]:
    for problem in validation_problems(body, _validator(), _schema(), place):
        yield replace(problem, path=FieldPath(*TEXT, *problem.path))


def _renamed(value: Any, node: Mapping[str, Any]) -> Any:
    """The value with the fields' JSON names: protobuf reads `trust_domain` as `trustDomain`."""
    node = _schema()["$defs"][node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else node
    if isinstance(value, list):
        return [_renamed(entry, node.get("items", {})) for entry in value]
    if not isinstance(value, dict):
        return value
    known: Mapping[str, Mapping[str, Any]] = node.get("properties", {})
    further = node.get("additionalProperties") or {}
    names = {name: name if name in known or "_" not in name else _json_name(name, known) for name in value}
    return {names[name]: _renamed(inner, known.get(names[name], further)) for name, inner in value.items()}


def _json_name(name: str, known: Mapping[str, Any]) -> str:
    first, *others = name.split("_")
    converted = first + "".join(word[:1].upper() + word[1:] for word in others)
    return converted if converted in known else name


def _is_unknown_field(problem: Problem) -> bool:
    return problem.code == invalid.UNKNOWN_FIELD.number


def _ignored(problem: Problem) -> Problem:
    """The problem of an unknown field as a warning."""
    code = warnings.UNKNOWN_MESH_SETTING
    message = problem.message.replace(" here;", " here, so Istio ignores it;")
    return replace(problem, code=code.number, severity=code.severity, message=message)


def _is_default(root: Field, problem: Problem) -> bool:
    path = FieldPath(*problem.path[len(TEXT) :])
    return bool(root.at(path).value == ISTIO_DEFAULTS.get(str(path)))


def _remove(body: Any, path: FieldPath) -> None:
    for key in path[:-1]:
        body = body[key]
    del body[path[-1]]
