"""JSON schemas of protobuf messages, from the descriptors that generated Go code contains.

Istio publishes no schema of its mesh-wide settings, only protobuf. The result accepts what protobuf's JSON
form accepts: numbers may be strings, enumerations may be numbers, and a duration is Go's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

Schema = dict[str, Any]

_DESCRIPTOR = re.compile(r'_rawDesc = "" \+\n((?:\t"(?:[^"\\]|\\.)*"(?: \+)?\n)+)')
_CHUNK = re.compile(r'"(?:[^"\\]|\\.)*"')
_KIND = FieldDescriptorProto
_NUMERAL = {"pattern": "^-?[0-9]+$"}
_SIGNED_32: Schema = {"type": ["integer", "string"], "minimum": -(2**31), "maximum": 2**31 - 1, **_NUMERAL}
_UNSIGNED_32: Schema = {"type": ["integer", "string"], "minimum": 0, "maximum": 2**32 - 1, **_NUMERAL}
_SIGNED_64: Schema = {"type": ["integer", "string"], **_NUMERAL}
_NUMBER: Schema = {"type": ["number", "string"]}

_SCALARS: Mapping[int, Schema] = {
    _KIND.TYPE_BOOL: {"type": "boolean"},
    _KIND.TYPE_STRING: {"type": "string"},
    _KIND.TYPE_BYTES: {"type": "string", "format": "byte"},
    _KIND.TYPE_DOUBLE: _NUMBER,
    _KIND.TYPE_FLOAT: _NUMBER,
    _KIND.TYPE_INT32: _SIGNED_32,
    _KIND.TYPE_UINT32: _UNSIGNED_32,
    _KIND.TYPE_INT64: _SIGNED_64,
    _KIND.TYPE_UINT64: _SIGNED_64,
}
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.DoubleValue": _NUMBER,
    "google.protobuf.Duration": {"type": "string", "format": "any-go-duration"},
    "google.protobuf.Int32Value": _SIGNED_32,
    "google.protobuf.Int64Value": _SIGNED_64,
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.UInt32Value": _UNSIGNED_32,
    "google.protobuf.UInt64Value": _SIGNED_64,
}


def message_schema(root: str, module: Path, sources: tuple[str, ...]) -> Schema:
    """The schema of a message and all that it contains; `sources` are the Go files of the descriptors."""
    messages: dict[str, DescriptorProto] = {}
    enums: dict[str, EnumDescriptorProto] = {}
    for source in sources:
        file = _descriptor((module / source).read_text(encoding="utf-8"))
        enums |= {f"{file.package}.{enum.name}": enum for enum in file.enum_type}
        for name, message in _with_inner(file.package, file.message_type):
            messages[name] = message
            enums |= {f"{name}.{enum.name}": enum for enum in message.enum_type}
    definitions: dict[str, Schema] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            definitions[name] = _message(messages[name], messages, enums)
            waiting += re.findall(r"'#/\$defs/([^']+)'", str(definitions[name]))
    return {"$ref": f"#/$defs/{root}", "$defs": definitions}


def _descriptor(source: str) -> FileDescriptorProto:
    found = _DESCRIPTOR.search(source)
    assert found is not None, "no descriptor in the Go file"
    raw = b"".join(_bytes(chunk) for chunk in _CHUNK.findall(found[1]))
    return FileDescriptorProto.FromString(raw)


def _bytes(chunk: str) -> bytes:
    """The bytes of a Go string: what is not ASCII is UTF-8."""
    plain = re.sub(r"\\u([0-9a-f]{4})", lambda escape: chr(int(escape[1], 16)), chunk)
    ascii_only = "".join(
        c if ord(c) < 128 else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in plain
    )
    value: bytes = ast.literal_eval("b" + ascii_only)
    return value


def _with_inner(prefix: str, messages: Any) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        name = f"{prefix}.{message.name}"
        yield name, message
        yield from _with_inner(name, message.nested_type)


def _message(
    message: DescriptorProto,
    messages: Mapping[str, DescriptorProto],
    enums: Mapping[str, EnumDescriptorProto],
) -> Schema:
    properties: dict[str, Schema] = {}
    alternatives: dict[int, list[str]] = {}
    for field in message.field:
        value = _value(field, messages, enums)
        is_map = value.pop("map", False)
        is_list = field.label == _KIND.LABEL_REPEATED and not is_map
        properties[field.json_name] = {"type": "array", "items": value} if is_list else value
        if field.HasField("oneof_index"):
            alternatives.setdefault(field.oneof_index, []).append(field.json_name)
    pairs = [
        [one, other]
        for names in alternatives.values()
        for index, one in enumerate(names)
        for other in names[index + 1 :]
    ]
    exclusive = {"allOf": [{"not": {"required": pair}} for pair in pairs]} if pairs else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **exclusive}


def _value(
    field: FieldDescriptorProto,
    messages: Mapping[str, DescriptorProto],
    enums: Mapping[str, EnumDescriptorProto],
) -> Schema:
    name = field.type_name.removeprefix(".")
    if field.type == _KIND.TYPE_ENUM:
        return {
            "enum": [
                *(value.name for value in enums[name].value),
                *(value.number for value in enums[name].value),
            ]
        }
    if field.type != _KIND.TYPE_MESSAGE:
        return dict(_SCALARS[field.type])
    if name in _WELL_KNOWN:
        return dict(_WELL_KNOWN[name])
    if messages[name].options.map_entry:
        inner = _value(messages[name].field[1], messages, enums)
        return {"type": "object", "additionalProperties": inner, "map": True}
    return {"$ref": f"#/$defs/{name}"}
