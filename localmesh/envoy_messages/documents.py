"""Documents of Envoy's messages: read as Istio reads them in EnvoyFilters, and merged as protobuf merges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from localmesh.envoy_messages.messages import message_class, message_pool, to_message
from localmesh.formats.durations import nanoseconds

Json = dict[str, Any]

UNKNOWN_TYPE = "Can not find message descriptor"
"""How the reason starts if the type of an extension is not known."""


class InvalidDocumentError(ValueError):
    """A document is not one of its message; the text says why."""


def normalized(name: str, document: Mapping[str, Any]) -> Json:
    """A document of the message of that full name, in camel case and without fields that Envoy does not know.

    Raises InvalidDocumentError for a value of a wrong type and for an extension that is not known.
    """
    return _printed(_read(name, document, ignore_unknown=True))


def unknown_field(name: str, document: Mapping[str, Any]) -> str:
    """What is unknown in a document that `normalized` accepts; "" if nothing is."""
    try:
        _read(name, document, ignore_unknown=False)
    except InvalidDocumentError as error:
        return str(error)
    return ""


def merged(
    name: str, document: Mapping[str, Any], change: Mapping[str, Any], *, replace_lists: bool = False
) -> Json:
    """A document with another merged into it: fields are set, messages merged, lists appended or replaced.

    istio: pkg/proto/merge. Both documents are in the form of `normalized` or of the translation. Fields that
    the change does not concern stay as they are: a cluster is not read and printed for one timeout.

    >>> cluster = {"name": "web", "type": "EDS", "connectTimeout": "10s"}
    >>> merged("envoy.config.cluster.v3.Cluster", cluster, {"connectTimeout": "1s"})
    {'name': 'web', 'type': 'EDS', 'connectTimeout': '1s'}
    >>> merged("envoy.config.cluster.v3.Cluster", cluster, {"clusterType": {"name": "other"}})
    {'name': 'web', 'connectTimeout': '10s', 'clusterType': {'name': 'other'}}
    """
    concerned = _concerned(name, change)
    target = to_message(name, {key: value for key, value in document.items() if key in concerned})
    source = to_message(name, change)
    _clear_replaced(target, source, replace_lists=replace_lists)
    target.MergeFrom(source)
    others = {key: value for key, value in document.items() if key not in concerned}
    return {**others, **_printed(target)}


def _concerned(name: str, change: Mapping[str, Any]) -> set[str]:
    """The fields that a change sets, and those that it clears: of a oneof, one field is set."""
    fields = _descriptor(name).fields_by_camelcase_name
    oneofs = [fields[key].containing_oneof for key in change if key in fields]
    return {*change, *(field.camelcase_name for oneof in oneofs if oneof for field in oneof.fields)}


def merged_any(document: Mapping[str, Any], change: Mapping[str, Any]) -> Json:
    """The same for typed configurations (`@type`); of two types the first stays as it is."""
    kind = document["@type"]
    if change.get("@type") != kind:
        return dict(document)
    bare, own = ({key: value for key, value in each.items() if key != "@type"} for each in (document, change))
    return {"@type": kind, **merged(kind, bare, own)}


def _read(name: str, document: Mapping[str, Any], *, ignore_unknown: bool) -> Message:
    try:
        return json_format.ParseDict(
            _with_seconds(document, _descriptor(name)),
            message_class(name)(),
            ignore_unknown_fields=ignore_unknown,
            descriptor_pool=message_pool(),
        )
    except json_format.ParseError as error:
        raise InvalidDocumentError(_brief(str(error))) from None


def _with_seconds(value: Any, descriptor: Descriptor) -> Any:
    """The document with durations in seconds, as protobuf writes them: Istio reads Go's, such as `50ms`."""
    if descriptor.full_name == Duration.DESCRIPTOR.full_name:
        length = nanoseconds(value) if isinstance(value, str) else None
        return value if length is None else f"{length // 10**9}.{length % 10**9:09d}s"
    if not isinstance(value, dict):
        return value
    if descriptor.full_name == "google.protobuf.Any":
        descriptor = _typed(value.get("@type")) or descriptor
    fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
    return {key: _field_with_seconds(inner, fields.get(key)) for key, inner in value.items()}


def _field_with_seconds(value: Any, field: FieldDescriptor | None) -> Any:
    if field is None or field.message_type is None:
        return value
    if field.message_type.GetOptions().map_entry:
        inner = field.message_type.fields_by_name["value"]
        is_map = isinstance(value, dict)
        return {key: _field_with_seconds(each, inner) for key, each in value.items()} if is_map else value
    if isinstance(value, list):
        return [_with_seconds(entry, field.message_type) for entry in value]
    return _with_seconds(value, field.message_type)


def _descriptor(name: str) -> Descriptor:
    return cast(Descriptor, message_class(name).DESCRIPTOR)


def _typed(type_url: Any) -> Descriptor | None:
    try:
        return _descriptor(str(type_url))
    except KeyError:
        return None  # the parser says so


def _brief(text: str) -> str:
    """The innermost of the nested reasons of json_format, which names the field."""
    for start in (UNKNOWN_TYPE, 'Message type "'):
        if start in text:
            return text[text.rindex(start) :]
    return text.rpartition("field: ")[2] or text


def _printed(message: Message) -> Json:
    printed: Json = json_format.MessageToDict(message, descriptor_pool=message_pool())
    return printed


def _clear_replaced(target: Message, source: Message, *, replace_lists: bool) -> None:
    """Clears what MergeFrom would add to and the source replaces: durations, and lists if asked for."""
    for field, value in source.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        if field.is_repeated:
            if replace_lists:
                target.ClearField(field.name)
        elif field.message_type is not None and target.HasField(field.name):
            if field.message_type.full_name == Duration.DESCRIPTOR.full_name:
                target.ClearField(field.name)
            else:
                _clear_replaced(getattr(target, field.name), value, replace_lists=replace_lists)
