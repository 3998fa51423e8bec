"""Schema errors as problems: what was found, what was expected, how to fix it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from jsonschema_rs import ValidationError

from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.codes import Code, invalid
from localmesh.problems.fields import listed, quoted

Schema = Mapping[str, Any]

_DURATIONS = frozenset({"go-duration", "any-go-duration"})
_MOST_KNOWN_FIELDS = 16
_DEEPEST_SUGGESTION = 3
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a mapping",
    "string": "a string",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the validator, with the schema of the kind and the place of the object."""

    error: ValidationError
    schema: Schema
    place: Place

    @property
    def instance(self) -> Any:
        """The value that failed."""
        return self.error.instance

    @property
    def detail(self) -> Any:
        """The details of the failure, which differ by keyword."""
        return self.error.kind

    @property
    def keyword(self) -> str:
        """The keyword of the schema that failed: type, required, enum, …"""
        return self.error.kind.name

    @property
    def path(self) -> FieldPath:
        """The field that failed."""
        return FieldPath(*self.error.instance_path)

    @property
    def key(self) -> tuple[str, FieldPath]:
        """What distinguishes this failure from others of the same object."""
        missing = (self.detail.property,) if self.keyword == "required" else ()
        return self.keyword, FieldPath(*self.path, *missing)

    def is_misspelled_in(self, other: Failure) -> bool:
        """Whether the field that is missing here is present under a similar name."""
        if other.keyword != "additionalProperties":
            return False
        return any(_close_match(name, [self.detail.property]) for name in other.detail.unexpected)

    @property
    def nodes(self) -> Sequence[Schema]:
        """The schemas on the path to the one that failed, which is the last."""
        nodes: list[Schema] = []
        node: Any = self.schema
        for segment in self.error.evaluation_path[:-1]:
            node = self.resolved(node) if segment == "$ref" else node[segment]
            if isinstance(node, dict):
                nodes.append(node)
        return nodes

    def resolved(self, node: Schema) -> Schema:
        """The schema that a reference points to."""
        if "$ref" not in node:
            return node
        definition: Schema = self.schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        return definition

    def fields(self, node: Schema) -> Mapping[str, Schema]:
        """The fields that the schema, or the schema of the entries of a list, defines."""
        node = self.resolved(node)
        if isinstance(node.get("items"), dict):
            node = self.resolved(node["items"])
        fields: Mapping[str, Schema] = node.get("properties", {})
        return fields

    def problem(self, code: Code, **values: object) -> Problem:
        """A problem with the field that failed."""
        return code.at(self.place, self.path, **{"found": quoted(self.instance), **values})


def problems_of(failure: Failure) -> Iterator[Problem]:
    """The problems for one error of the validator."""
    yield from _PROBLEMS.get(failure.keyword, _other)(failure)


# -- fields ------------------------------------------------------------------------------------------


def _unknown_fields(failure: Failure) -> Iterator[Problem]:
    known = failure.nodes[-1].get("properties", {})
    for name in failure.detail.unexpected:
        close = _close_match(name, known)
        remedy = f"write {close}" if close else _other_depth(name, failure)
        yield invalid.UNKNOWN_FIELD.at(
            failure.place, failure.path / name, name=name, known=_some(known), remedy=remedy
        )


def _some(known: Mapping[str, Any]) -> str:
    names = sorted(known)
    if len(names) <= _MOST_KNOWN_FIELDS:
        return listed(names)
    return f"{', '.join(names[:_MOST_KNOWN_FIELDS])}, …"


def _close_match(name: str, known: Iterable[str]) -> str | None:
    by_lower = {field.lower(): field for field in known}
    close = get_close_matches(name.lower().replace("_", "").replace("-", ""), by_lower, n=1, cutoff=0.75)
    return by_lower[close[0]] if close else None


def _other_depth(name: str, failure: Failure) -> str:
    """Most unknown fields that are not misspelled have the wrong indentation."""
    owners = [node["properties"] for node in failure.nodes[:-1] if "properties" in node]
    if any(name in owner for owner in owners[-2:]):
        return "indent it less: it belongs to the enclosing block"
    levels: list[tuple[FieldPath, Schema]] = [(failure.path, failure.nodes[-1])]
    for _ in range(_DEEPEST_SUGGESTION):
        for path, node in levels:
            if path != failure.path and name in failure.fields(node):
                return f"write it under {path}"
        levels = [
            (path / field, inner) for path, node in levels for field, inner in failure.fields(node).items()
        ]
    for field, node in failure.fields(failure.schema).items():
        if name in failure.fields(node):
            return f"write it under {field}"
    return "remove it"


def _missing(failure: Failure) -> Iterator[Problem]:
    name = failure.detail.property
    yield failure.problem(invalid.MISSING_FIELD, name=name, why="", remedy=f"add {failure.path / name}")


def _exclusive(failure: Failure) -> Iterator[Problem]:
    names = sorted({name for option in failure.nodes[-1]["oneOf"] for name in option.get("required", ())})
    present = [name for name in names if name in failure.instance]
    yield failure.problem(invalid.EXCLUSIVE_FIELDS, found=listed(present), expected=listed(names))


def _not_together(failure: Failure) -> Iterator[Problem]:
    pair = failure.nodes[-1]["not"].get("required")
    if pair:
        yield failure.problem(invalid.EXCLUSIVE_FIELDS, found=listed(pair), expected=listed(pair))
    else:
        yield from _other(failure)


# -- values ------------------------------------------------------------------------------------------


def _wrong_type(failure: Failure) -> Iterator[Problem]:
    value = failure.instance
    if failure.nodes[-1].get("format") in _DURATIONS and value is not None:
        yield from _bad_duration(failure)
        return
    expected = [name for name in failure.detail.types if name != "null"]
    yield failure.problem(
        invalid.WRONG_TYPE,
        type=_type_name(value),
        expected=listed([_TYPES[name] for name in expected], "or"),
        remedy=_retyped(value, expected),
    )


def _type_name(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "a list" if isinstance(value, list) else "a mapping"


def _retyped(value: object, expected: Sequence[str]) -> str:
    remedy = f"write {listed([_TYPES[name] for name in expected], 'or')}"
    match value:
        case None:
            remedy = "set a value, or remove the field"
        case bool() | int() | float() if "string" in expected:
            remedy = "put the value in quotes"
        case str() if set(expected) & {"integer", "number"}:
            number = re.match(r"\s*(-?\d+)(?![\d:])", value)  # 1:20 is something else
            if number:
                remedy = "write the value without quotes" if number[0] == value else f"write {number[1]}"
        case str() if "boolean" in expected and value in ("true", "false"):
            remedy = "write the value without quotes"
        case dict() if "array" in expected:
            remedy = 'write a list: each entry starts with "- "'
        case list() if "object" in expected:
            remedy = 'write a mapping, without "- "'
        case str() | int() | float() if "array" in expected:
            remedy = f"write [{value}]"
    return remedy


def _not_in_set(failure: Failure) -> Iterator[Problem]:
    options = [str(option) for option in failure.detail.options if option]
    options = [option for option in options if not option.isdecimal()] or options  # names rather than numbers
    by_lower = {option.lower(): option for option in options}
    close = get_close_matches(str(failure.instance).lower(), by_lower, n=1, cutoff=0.75)
    remedy = f"write {by_lower[close[0]]}" if close else "write one of these"
    yield failure.problem(invalid.NOT_IN_SET, expected=listed(options, "or"), remedy=remedy)


def _out_of_range(failure: Failure) -> Iterator[Problem]:
    low, high = failure.nodes[-1].get("minimum", 0), failure.nodes[-1].get("maximum")
    expected = f"at least {low}" if high is None else f"a number from {low} to {high}"
    yield failure.problem(invalid.OUT_OF_RANGE, expected=expected, remedy="write a number in this range")


def _wrong_length(failure: Failure) -> Iterator[Problem]:
    keyword = failure.keyword
    most, bound = keyword.startswith("max"), failure.nodes[-1][keyword]
    one, many = {
        "Length": ("character", "characters"),
        "Items": ("entry", "entries"),
        "Properties": ("key", "keys"),
    }[keyword[3:]]
    remedy = "shorten it" if bound else "remove the field"
    yield failure.problem(
        invalid.OUT_OF_RANGE,
        expected=f"{'at most' if most else 'at least'} {bound} {one if bound == 1 else many}",
        remedy=remedy if most else "set a value",
    )


def _wrong_format(failure: Failure) -> Iterator[Problem]:
    if failure.detail.format in _DURATIONS:
        yield from _bad_duration(failure)
    else:
        yield failure.problem(invalid.BAD_BASE64)


def _bad_duration(failure: Failure) -> Iterator[Problem]:
    node = failure.nodes[-1] if failure.nodes else {}
    expected = "a duration with its unit"
    if node.get("format") == "go-duration":
        expected += ", in whole milliseconds and at least 1ms"
    yield failure.problem(invalid.BAD_DURATION, expected=expected)


def _other(failure: Failure) -> Iterator[Problem]:
    node = failure.nodes[-1] if failure.nodes else {}
    form = node.get("pattern")
    expected = node.get("title") or (f"a value that matches {form}" if form else "another value")
    yield failure.problem(invalid.OUT_OF_RANGE, expected=expected, remedy="correct the value")


_PROBLEMS: Mapping[str, Callable[[Failure], Iterator[Problem]]] = {
    "additionalProperties": _unknown_fields,
    "enum": _not_in_set,
    "format": _wrong_format,
    "maxItems": _wrong_length,
    "maxLength": _wrong_length,
    "maxProperties": _wrong_length,
    "maximum": _out_of_range,
    "minItems": _wrong_length,
    "minLength": _wrong_length,
    "minProperties": _wrong_length,
    "minimum": _out_of_range,
    "not": _not_together,
    "oneOf": _exclusive,
    "required": _missing,
    "type": _wrong_type,
}
