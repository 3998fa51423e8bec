"""What of an object localmesh would have to drop: reported, never dropped silently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

from localmesh.kinds import Kind
from localmesh.problems import Problem
from localmesh.problems.codes import unsupported
from localmesh.problems.fields import Field, listed

FieldTree = dict[str, Any]
_LEAF = ""


def support_problems(root: Field, kind: Kind) -> Iterator[Problem]:
    """The fields and values of an object that localmesh does not support."""
    yield from unsupported_fields(root, _tree(kind))
    for path, values in kind.supported_values.items():
        yield from _unsupported_values(_fields(root, tuple(_segments(path))), values)
    yield from chain.from_iterable(rule(root) for rule in kind.support_rules)


@cache
def _tree(kind: Kind) -> FieldTree:
    return field_tree(kind.unsupported_fields)


def field_tree(fields: Mapping[str, str]) -> FieldTree:
    """Paths of fields, each with what to do instead, as `unsupported_fields` takes them."""
    tree: FieldTree = {}
    for path, remedy in fields.items():
        node = tree
        for segment in _segments(path):
            node = node.setdefault(segment, {})
        node[_LEAF] = remedy
    return tree


def _segments(path: str) -> list[str]:
    return path.replace("[]", ".[]").split(".")


def unsupported_fields(field: Field, tree: FieldTree) -> Iterator[Problem]:
    """The fields of the tree that are set below a field."""
    for segment, below in tree.items():
        if segment == "[]":
            for entry in field.items():
                yield from unsupported_fields(entry, below)
        elif segment != _LEAF:
            inner = field.get(segment)
            if _LEAF in below and inner.value not in (None, False, "", []):
                yield inner.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=below[_LEAF])
            elif inner:
                yield from unsupported_fields(inner, below)


def _fields(field: Field, segments: tuple[str, ...]) -> Iterator[Field]:
    if not segments:
        yield field
    elif segments[0] == "[]":
        for entry in field.items():
            yield from _fields(entry, segments[1:])
    else:
        yield from _fields(field.get(segments[0]), segments[1:])


def _unsupported_values(fields: Iterator[Field], values: tuple[str, ...]) -> Iterator[Problem]:
    for field in fields:
        if field.text and field.text.upper() not in {value.upper() for value in values}:
            yield field.problem(
                unsupported.VALUE_NOT_SUPPORTED,
                expected=listed(values),
                remedy=f"write {listed(values, 'or')} for local runs, or run on a cluster",
            )
