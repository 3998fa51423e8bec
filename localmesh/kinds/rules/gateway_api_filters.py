"""What the Gateway API requires of the filters of routes and backends beyond their schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

_BLOCKS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "CORS": "cors",
    "ExternalAuth": "externalAuth",
    "ExtensionRef": "extensionRef",
}
"""The block of each type of filter."""
_REPEATABLE = frozenset({"RequestMirror", "ExtensionRef", "ExternalAuth"})
_REPLACEMENTS = {"ReplaceFullPath": "replaceFullPath", "ReplacePrefixMatch": "replacePrefixMatch"}
_MODIFIERS = ("requestHeaderModifier", "responseHeaderModifier")
_LISTS = ("allowHeaders", "allowMethods", "allowOrigins", "exposeHeaders")


def filters(owner: Field) -> Iterator[Problem]:
    """The filters of a rule or backend: each has the block of its type, and most types occur once."""
    first: dict[str, Field] = {}
    for entry in owner.get("filters").items():
        kind = entry.get("type").text
        if kind is None:
            continue  # the schema requires it
        if kind not in _REPEATABLE and first.setdefault(kind, entry) is not entry:
            where = first[kind].path
            yield entry.get("type").problem(invalid.DUPLICATE_ENTRY, what="the filter", first=where)
        yield from _blocks(entry, kind)
        yield from _path(entry.get("requestRedirect", "path"))
        yield from _path(entry.get("urlRewrite", "path"))
        yield from _mirror(entry.get("requestMirror"))
        yield from _cors(entry.get("cors"))
        for modifier in _MODIFIERS:
            yield from _modifier(entry.get(modifier))
        yield from _external_authorization(entry.get("externalAuth"))
    if "RequestRedirect" in first and "URLRewrite" in first:
        yield wrong(first["URLRewrite"], "no URLRewrite beside RequestRedirect", "both")


def _blocks(entry: Field, kind: str) -> Iterator[Problem]:
    for name, block in _BLOCKS.items():
        if name == kind and not entry.get(block):
            yield wrong(entry, f"the field {block}", f"the type {kind} without it")
        elif name != kind and entry.get(block):
            yield wrong(entry, f"{block} with the type {name} only", f"the type {kind}")


def _path(path: Field) -> Iterator[Problem]:
    kind = path.get("type").text
    for name, field in _REPLACEMENTS.items():
        if path and (name == kind) != bool(path.get(field)):
            yield wrong(path, f"{field} with the type {name}, and only with it")


def _mirror(mirror: Field) -> Iterator[Problem]:
    fraction = mirror.get("fraction")
    if mirror.get("percent") and fraction:
        yield wrong(mirror, "percent or fraction", "both")
    numerator, denominator = fraction.get("numerator").integer, fraction.get("denominator").integer
    if numerator is not None and numerator > (100 if denominator is None else denominator):
        yield wrong(fraction, "a numerator that is at most the denominator")


def _modifier(modifier: Field) -> Iterator[Problem]:
    for name in ("set", "add"):
        yield from distinct(modifier.get(name), lambda header: header.get("name").text, name="name")
    yield from distinct(modifier.get("remove"), lambda header: header.text)


def _cors(cors: Field) -> Iterator[Problem]:
    for name in _LISTS:
        values = cors.get(name).value
        if isinstance(values, list) and "*" in values and len(values) > 1:
            yield wrong(cors.get(name), "* alone, or values without it")
        yield from distinct(cors.get(name), lambda value: value.text)


def _external_authorization(block: Field) -> Iterator[Problem]:
    for protocol, field in (("GRPC", "grpc"), ("HTTP", "http")):
        if block and (block.get("protocol").text == protocol) != bool(block.get(field)):
            yield wrong(block, f"{field} with the protocol {protocol}, and only with it")


def distinct(
    entries: Field, key: Callable[[Field], object], *, name: str = "", what: str = ""
) -> Iterator[Problem]:
    """Entries of a list differ in a key, which is the field `name` or described by `what`."""
    first: dict[object, Field] = {}
    for entry in entries.items():
        value = key(entry)
        if value is None or value == "":
            continue
        other = first.setdefault(value, entry)
        if other is not entry:
            field = entry.get(name) if name else entry
            found = {} if name else {"found": "the same"}
            subject = f"the {name or what or 'value'}"
            yield field.problem(invalid.DUPLICATE_ENTRY, what=subject, first=other.path, **found)


def wrong(field: Field, expected: str, found: str | None = None) -> Problem:
    """The problem of a field that has not the `expected` value."""
    values = {"expected": expected, "remedy": "correct it: the API server refuses the object"}
    return field.problem(invalid.BAD_ROUTE, **values, **({"found": found} if found else {}))
