"""Conversion of Envoy's documented JSON to protobuf messages, by a plan for each message type.

`json_format.ParseDict` looks up every field again and sets it on its own; with 1,000 Services that took
3.4 s for 13,000 messages. The C implementation of protobuf creates a message from nested dictionaries, lists
and names of enums at once. A plan, made once from the descriptor of a type, translates what it does not know:
camel case, durations in text, wrappers as bare values, enums as numbers, and Any.

Plans cover only the usual form of each value. For anything else they raise NotPlannedError, and ParseDict
decides: it accepts further forms, such as numbers in quotes, and describes errors.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

_Convert = Callable[[Any], Any]
"""From a value in JSON to an argument of the message's class."""

_WELL_KNOWN = "google.protobuf."
_WRAPPERS = frozenset(
    f"{_WELL_KNOWN}{name}Value"
    for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)
_LARGEST_FLOAT = 3.4028234663852886e38
_DURATIONS = 1024
"""How many durations are kept; a mesh has a few, and every cluster and route repeats them."""


class NotPlannedError(ValueError):
    """A value is wrong, or has a form that plans do not cover."""


class _Field(NamedTuple):
    """A field: its name, the type of the values that need no conversion, and the conversion of the others."""

    name: str
    plain: type | None
    convert: _Convert


class _Plan:
    """How to make the arguments of one message class; for an ordinary message, field by field."""

    def __init__(self, descriptor: Descriptor, fields: Callable[[Descriptor], dict[str, _Field]]) -> None:
        self._descriptor = descriptor
        self._make_fields = fields
        self._fields: dict[str, _Field] | None = None
        self._oneofs = [
            frozenset(field.name for field in oneof.fields)
            for oneof in descriptor.oneofs
            if len(oneof.fields) > 1
        ]

    def arguments(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments for a document. Raises NotPlannedError, KeyError, TypeError or AttributeError."""
        fields = self._fields
        if fields is None:  # made on first use: message types refer to themselves
            fields = self._fields = self._make_fields(self._descriptor)
        arguments = {}
        for key, value in document.items():
            name, plain, convert = fields[key]
            arguments[name] = value if type(value) is plain else convert(value)
        if len(arguments) != len(document):
            raise NotPlannedError("a field is there in both spellings")
        for oneof in self._oneofs:
            if len(oneof & arguments.keys()) > 1:
                raise NotPlannedError("several fields of a oneof")
        return arguments


class EncodingPlans:
    """The plans for the message types of one descriptor pool."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._converter = cache(self._make_converter)
        self._any_class = cache(self._class_of_url)
        self._duration = lru_cache(maxsize=_DURATIONS)(self._parsed_duration)
        self._duration_class, self._struct_class, self._value_class = (
            self._class(_WELL_KNOWN + name) for name in ("Duration", "Struct", "Value")
        )

    def message(self, message_class: type[Message], document: Mapping[str, Any]) -> Message:
        """The message that a document describes. Raises NotPlannedError."""
        try:
            return message_class(**self._converter(message_class.DESCRIPTOR)(document))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise NotPlannedError(str(error)) from error

    def _make_converter(self, descriptor: Descriptor) -> _Convert:
        name = descriptor.full_name
        if name in _WRAPPERS:
            plain, convert = self._value_plan(descriptor.fields_by_name["value"])
            return lambda value: {"value": value if type(value) is plain else convert(value)}
        special: dict[str, _Convert] = {
            f"{_WELL_KNOWN}Any": self._any,
            f"{_WELL_KNOWN}Duration": self._duration,
            f"{_WELL_KNOWN}Struct": self._struct,
            f"{_WELL_KNOWN}Value": self._json_value,
            f"{_WELL_KNOWN}FieldMask": _refuse,
            f"{_WELL_KNOWN}ListValue": _refuse,
            f"{_WELL_KNOWN}Timestamp": _refuse,
        }
        return special.get(name) or _Plan(descriptor, self._fields).arguments

    def _fields(self, descriptor: Descriptor) -> dict[str, _Field]:
        """The fields of a message by both spellings of their names."""
        fields = {field.name: self._field(field) for field in descriptor.fields}
        return fields | {field.json_name: fields[field.name] for field in descriptor.fields}

    def _field(self, field: FieldDescriptor) -> _Field:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return _Field(field.name, None, self._map(field.message_type))
        plain, convert = self._value_plan(field)
        if field.is_repeated:
            return _Field(field.name, None, _list_of(plain, convert))
        return _Field(field.name, plain, convert)

    def _value_plan(self, field: FieldDescriptor) -> tuple[type | None, _Convert]:
        """For one value of a field: the type that needs no conversion, and the conversion of other types."""
        if field.message_type is not None:
            return None, self._converter(field.message_type)
        if field.enum_type is not None:
            values = field.enum_type.values
            numbers: dict[Any, int] = {value.number: value.number for value in values}
            return None, (numbers | {value.name: value.number for value in values}).__getitem__
        if field.type == FieldDescriptor.TYPE_BYTES:
            return None, _decoded
        if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return None, _number
        return _PLAIN[field.cpp_type], _refuse

    def _map(self, entry: Descriptor) -> _Convert:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        if key.type != FieldDescriptor.TYPE_STRING:
            return _refuse
        plain, convert = self._value_plan(value)

        def map_of(document: dict[str, Any]) -> dict[str, Any]:
            if type(document) is not dict:
                raise NotPlannedError("not an object")
            return {name: item if type(item) is plain else convert(item) for name, item in document.items()}

        return map_of

    def _any(self, value: dict[str, Any]) -> dict[str, Any]:
        document: Any = dict(value)
        type_url = document.pop("@type")
        message_class = self._any_class(type_url)
        if message_class.DESCRIPTOR.full_name in _WRAPPERS:
            (document,) = document.values()
        message = self.message(message_class, document)
        return {"type_url": type_url, "value": message.SerializeToString(deterministic=True)}

    def _class_of_url(self, type_url: str) -> type[Message]:
        message_class: type[Message] = self._class(type_url.rpartition("/")[2])
        return message_class

    def _class(self, name: str) -> Any:
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))

    def _parsed_duration(self, text: str) -> Message:
        duration: Message = self._duration_class()
        duration.FromJsonString(text)  # type: ignore[attr-defined]  # of well-known types only
        return duration

    def _struct(self, value: dict[str, Any]) -> Message:
        if type(value) is not dict:
            raise NotPlannedError("not an object")
        struct: Message = self._struct_class(
            fields={key: self._json_value(item) for key, item in value.items()}
        )
        return struct

    def _json_value(self, value: Any) -> Message:
        json_value: Message = self._value_class(**self._json_value_arguments(value))
        return json_value

    def _json_value_arguments(self, value: Any) -> dict[str, Any]:
        kind = type(value)
        if kind is dict:
            return {"struct_value": self._struct(value)}
        if kind is list:
            return {"list_value": {"values": [self._json_value(item) for item in value]}}
        return {_JSON_VALUES[kind]: value}


_JSON_VALUES = {str: "string_value", bool: "bool_value", int: "number_value", float: "number_value"}
_PLAIN: dict[int, type] = {
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_UINT64: int,
}


def _list_of(plain: type | None, convert: _Convert) -> _Convert:
    def list_of(values: Any) -> list[Any]:
        if type(values) is not list:
            raise NotPlannedError("not a list")
        return [value if type(value) is plain else convert(value) for value in values]

    return list_of


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not -_LARGEST_FLOAT <= value <= _LARGEST_FLOAT:
        raise NotPlannedError("not a number that all floating point fields can have")
    return float(value)


def _decoded(text: str) -> bytes:
    """The bytes of base64 in either alphabet, with padding or without, as in `json_format`."""
    encoded = text.encode()
    return base64.urlsafe_b64decode(encoded + b"=" * (4 - len(encoded) % 4))


def _refuse(_value: Any) -> Any:
    raise NotPlannedError("a form of value that has no plan")
