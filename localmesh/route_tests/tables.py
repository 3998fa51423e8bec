"""Tables of cases: the first row names fields, and every other row is a case with other values in them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from localmesh.problems import FieldPath
from localmesh.problems.fields import listed, quoted
from localmesh.route_tests.case_schema import FaultyFieldError, schema
from localmesh.route_tests.requests import as_fields

Body = Mapping[str, Any]
Column = tuple[str, ...]


def rows(case: Body, at: FieldPath) -> Iterator[tuple[dict[str, Any], FieldPath, str]]:
    """The cases of a table: the body of each, the path of its row, and its cells as text.

    A case without a table is its only row. An empty cell leaves the field as it is. Raises FaultyFieldError.
    """
    bare = {name: value for name, value in case.items() if name != "table"}
    if "table" not in case:
        yield bare, at, ""
        return
    heading, *others = case["table"]
    columns = [_column(name, at / "table" / 0 / index) for index, name in enumerate(heading)]
    for number, cells in enumerate(others, start=1):
        where = at / "table" / number
        if len(cells) != len(columns):
            message = f"the row has {len(cells)} of {len(columns)} cells"
            raise FaultyFieldError(where, f"{message}; write ~ for an empty cell")
        yield _with_cells(bare, columns, cells), where, ", ".join(map(_text, cells))


def _column(name: object, at: FieldPath) -> Column:
    """The path of a field; the fields of `expect` need not be preceded by it."""
    expectations = schema()["$defs"]["Expect"]["properties"]
    fields = schema()["$defs"]["Request"]["properties"]
    if not isinstance(name, str):
        raise FaultyFieldError(
            at, f"{quoted(name)} is not the name of a field; write for example destination"
        )
    first, *rest = name.split(".")
    if name in ("name", "from", "request"):
        return (name,)
    if first == "request" and rest[0] == "headers" and rest[1:]:
        return ("request", "headers", ".".join(rest[1:]))
    if first == "request" and len(rest) == 1 and rest[0] in fields:
        return ("request", rest[0])
    path = rest if first == "expect" else [first, *rest]
    if path and path[0] in expectations:
        return ("expect", *_expected(path))
    known = ["name", "from", "request", *(f"request.{field}" for field in fields), *expectations]
    close = get_close_matches(name, known, n=1)
    remedy = f"write {close[0]}" if close else f"the fields are {listed(known)}"
    raise FaultyFieldError(at, f"{quoted(name)} is not a field of a case; {remedy}")


def _expected(path: list[str]) -> list[str]:
    """`headers.request.x-a.b`: the name of a header may contain dots."""
    return [*path[:2], ".".join(path[2:])] if path[0] == "headers" and path[2:] else path


def _with_cells(case: Body, columns: Sequence[Column], cells: Sequence[Any]) -> dict[str, Any]:
    body: dict[str, Any] = copy.deepcopy(dict(case))
    for column, cell in sorted(zip(columns, cells, strict=True), key=lambda entry: len(entry[0])):
        if cell is None:
            continue
        if column[0] == "request" and column[1:]:
            body["request"] = _for_cell(body.get("request"), column[1])
        node = body
        for name in column[:-1]:
            node = node.setdefault(name, {})
        node[column[-1]] = cell
    return body


def _for_cell(request: object, field: str) -> dict[str, Any]:
    """The fields of the request, without those that a cell's field replaces."""
    replaced = {"url": {"host", "path"}, "host": {"url"}, "path": {"url"}}.get(field, set())
    return {name: value for name, value in as_fields(request).items() if name not in replaced}


def _text(cell: object) -> str:
    return "–" if cell is None else str(cell) if not isinstance(cell, (dict, list)) else quoted(cell)
