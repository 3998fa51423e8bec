"""The documents of a configuration, and their encoding by protobuf's own parser of JSON, to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from localmesh.envoy_messages.messages import (
    CLUSTER,
    ENDPOINTS,
    EXTENSION,
    LISTENER,
    ROUTE,
    SCOPE,
    message_class,
    parsed,
)
from localmesh.translate import ProxyConfig

Json = dict[str, Any]
ANY = "google.protobuf.Any"


def documents(config: ProxyConfig) -> Iterator[tuple[str, Json]]:
    """All documents of a configuration, with their types."""
    lists = {
        CLUSTER: config.clusters,
        ENDPOINTS: config.endpoints,
        LISTENER: config.listeners,
        ROUTE: (*config.routes, *config.further_routes),
        SCOPE: config.scopes,
        EXTENSION: config.policies,
    }
    return ((type_url, document) for type_url, listed in lists.items() for document in listed)


def encoded_by_parser(type_url: str, document: Mapping[str, Any]) -> bytes:
    """What ParseDict makes of a document, in the deterministic encoding; ParseDict encodes Any in another."""
    message = parsed(type_url, document)
    _make_deterministic(message)
    return message.SerializeToString(deterministic=True)


def _make_deterministic(message: Any) -> None:
    if message.DESCRIPTOR.full_name == ANY:
        content = message_class(message.type_url).FromString(message.value)
        _make_deterministic(content)
        message.value = content.SerializeToString(deterministic=True)
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            is_map = field.message_type.GetOptions().map_entry
            below = value.values() if is_map else value if field.is_repeated else [value]
            for item in below:
                if isinstance(item, Message):
                    _make_deterministic(item)
