"""The schema of files with cases, and its errors: one line each, with file, line and what would be right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from localmesh.errors import InvalidInputError
from localmesh.formats.durations import is_duration
from localmesh.manifests import Document
from localmesh.manifests.lines import YamlLines
from localmesh.manifests.schema import schema_problems, validation_problems
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.codes import invalid

_POLICY = "trafficPolicy"
_OF_A_PART = frozenset(
    code.number
    for code in (invalid.UNKNOWN_FIELD, invalid.WRONG_TYPE, invalid.BAD_DURATION, invalid.NOT_IN_SET)
)
"""What can be wrong with a part of an object: it need not be complete."""


class CaseFileError(InvalidInputError):
    """Files of cases cannot be used; the message has one line for each problem."""

    def __init__(self, lines: Iterable[str]) -> None:
        super().__init__("\n".join(lines))


class FaultyFieldError(Exception):
    """A field cannot be used: its path in the document, what is wrong, and what would be right."""

    def __init__(self, path: FieldPath, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(message)


class CaseLines:
    """Finds the lines of the fields of one document, and words problems with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._lines = YamlLines()

    def line(self, path: FieldPath) -> int:
        """The line of a field, or of what contains it if it is absent."""
        return self._lines.line(self._document, path)

    def message(self, path: FieldPath, text: str) -> str:
        """A problem in one line."""
        where = f"{path}: " if path else ""
        return f"{self._document.file}:{self.line(path)}: {where}{text}"


def schema_errors(body: object, definition: str, lines: CaseLines, at: FieldPath) -> list[str]:
    """Where a value differs from a definition of the schema; `at` is its path in the document."""
    validator, schema = _validator(definition)
    return _messages(validation_problems(body, validator, schema, Place("")), lines, at)


def traffic_policy_errors(policy: Mapping[str, Any], lines: CaseLines, at: FieldPath) -> list[str]:
    """What cannot be in a DestinationRule's `trafficPolicy`, of which `policy` is a part."""
    body = {"spec": {"host": "", _POLICY: policy}, "metadata": {}, "apiVersion": "", "kind": ""}
    problems = [
        replace(problem, path=FieldPath(*problem.path[2:]))
        for problem in schema_problems(body, "networking.istio.io/v1/DestinationRule", Place(""))
        if problem.code in _OF_A_PART and problem.path[:2] == ("spec", _POLICY)
    ]
    return _messages(problems, lines, at)


def _messages(problems: Iterable[Problem], lines: CaseLines, at: FieldPath) -> list[str]:
    """The problems by their lines; `at` is the path of what they are about."""
    placed = [(FieldPath(*at, *problem.path), _text(problem)) for problem in problems]
    placed.sort(key=lambda problem: lines.line(problem[0]))
    return [lines.message(path, text) for path, text in placed]


def one_line(problem: Problem) -> str:
    """A problem of a file as a whole, in one line."""
    return f"{problem.place.position}: {_text(problem)}"


def _text(problem: Problem) -> str:
    return f"{problem.message}; {problem.fix}"


@cache
def schema() -> dict[str, Any]:
    """The schema, as editors can use it."""
    text = (files("localmesh.route_tests") / "schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def _validator(definition: str) -> tuple[jsonschema_rs.Draft202012Validator, dict[str, Any]]:
    part = {"$ref": f"#/$defs/{definition}", "$defs": schema()["$defs"]}
    formats = {"go-duration": lambda text: text in {"0", "0s"} or is_duration(text)}
    return jsonschema_rs.Draft202012Validator(part, formats=formats, validate_formats=True), part
