"""Envoy's messages: JSON in their documented form to protobuf and back.

The descriptors are shipped as data (made by scripts/generate_envoy_descriptors.py) and live in a pool of
their own, so that no generated module of another package can clash with them.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

TYPE_PREFIX = "type.googleapis.com/"
LISTENER = TYPE_PREFIX + "envoy.config.listener.v3.Listener"
ROUTE = TYPE_PREFIX + "envoy.config.route.v3.RouteConfiguration"
SCOPE = TYPE_PREFIX + "envoy.config.route.v3.ScopedRouteConfiguration"
CLUSTER = TYPE_PREFIX + "envoy.config.cluster.v3.Cluster"
ENDPOINTS = TYPE_PREFIX + "envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = TYPE_PREFIX + "envoy.extensions.transport_sockets.tls.v3.Secret"
VIRTUAL_HOST = TYPE_PREFIX + "envoy.config.route.v3.VirtualHost"
EXTENSION = TYPE_PREFIX + "envoy.config.core.v3.TypedExtensionConfig"


class UnknownFieldError(ValueError):
    """A JSON document does not fit its Envoy message: a mistake in the translation."""


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    packed = resources.files(__package__).joinpath("envoy.binpb.xz").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(lzma.decompress(packed)).file:
        pool.Add(file)
    return pool


@cache
def message_class(name: str) -> type[Message]:
    """The class of a message by its full name, with or without the prefix of type URLs."""
    found = _pool().FindMessageTypeByName(name.removeprefix(TYPE_PREFIX))
    return message_factory.GetMessageClass(found)


def to_message(type_url: str, document: Mapping[str, Any]) -> Message:
    """The message that a JSON document describes; UnknownFieldError if it does not fit."""
    try:
        return json_format.ParseDict(dict(document), message_class(type_url)(), descriptor_pool=_pool())
    except json_format.ParseError as error:
        name = document.get("name") or document.get("clusterName") or "?"
        raise UnknownFieldError(f"{type_url.removeprefix(TYPE_PREFIX)} {name}: {error}") from error


def encode(type_url: str, document: Mapping[str, Any]) -> bytes:
    """The document's message in protobuf's binary form, the same for the same document."""
    return to_message(type_url, document).SerializeToString(deterministic=True)


def with_virtual_hosts(routes: bytes, hosts: Iterable[bytes]) -> bytes:
    """An encoded RouteConfiguration with encoded virtual hosts put behind what it has.

    In protobuf's encoding the elements of a repeated field are separate entries, each with its length, so
    that a thousand hosts need not be encoded anew because one has changed.
    """
    number = message_class(ROUTE).DESCRIPTOR.fields_by_name["virtual_hosts"].number
    tag = _variable_length(number << 3 | 2)
    return b"".join((routes, *(part for host in hosts for part in (tag, _variable_length(len(host)), host))))


def _variable_length(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def canonical(type_url: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as Envoy itself would print it: camelCase, defaults left out.

    This is also the form of `istioctl proxy-config -o json`.
    """
    text = json_format.MessageToJson(to_message(type_url, document), descriptor_pool=_pool())
    printed: dict[str, Any] = _maps_sorted(json.loads(text))
    return printed


_MAPS = frozenset({"policies", "providers", "typedExtensionProtocolOptions", "typedPerFilterConfig"})
_STRUCTS = frozenset({"filterMetadata"})


def _maps_sorted(value: Any) -> Any:
    """The same JSON with the keys of protobuf's maps in order: protobuf keeps none, fields have theirs."""
    if isinstance(value, list):
        return [_maps_sorted(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, below in value.items():
        if key in _STRUCTS:
            out[key] = json.loads(json.dumps(below, sort_keys=True))
        elif key in _MAPS:
            out[key] = {name: _maps_sorted(below[name]) for name in sorted(below)}
        else:
            out[key] = _maps_sorted(below)
    return out
