"""How the stub answers gRPC: any unary method, with an empty message; those that it knows, properly.

It knows the health service (gRPC, "GRPC Health Checking Protocol") and the method Echo of Istio's echo
application.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HEALTH = "/grpc.health.v1.Health/Check"
_ECHO = "/proto.EchoTestService/Echo"
_SERVING = b"\x08\x01"
_LENGTH_DELIMITED = 2
_UNIMPLEMENTED = "12"

Headers = dict[str, str]


def is_grpc(headers: Mapping[str, str]) -> bool:
    """Whether a request is one of gRPC."""
    return headers.get("content-type", "").startswith("application/grpc")


def reply(
    path: str, headers: Mapping[str, str], body: bytes, content: Mapping[str, Any]
) -> tuple[Headers, bytes, Headers]:
    """The headers, the body and the trailers of the answer; `content` is what the stub says of itself."""
    head = {"content-type": headers["content-type"]}
    messages = list(_messages(body))
    if len(messages) > 1:
        words = "the stub answers one message; a stream of several is not supported"
        return head, b"", {"grpc-status": _UNIMPLEMENTED, "grpc-message": words}
    answer = b""
    if path == _HEALTH:
        answer = _SERVING
    elif path == _ECHO:
        answer = _text(1, _echo(headers, _field(messages[0] if messages else b"", 1), content))
    return head, _framed(answer), {"grpc-status": "0"}


def _echo(headers: Mapping[str, str], message: bytes, content: Mapping[str, Any]) -> str:
    """What Istio's echo application answers, line by line (istio: pkg/test/echo/server/endpoint/grpc.go)."""
    lines = [f"Host={headers.get('host', '')}"]
    lines += [f"RequestHeader={name}:{value}" for name, value in headers.items() if not name.endswith("-bin")]
    lines += [
        "StatusCode=200",
        f"ServiceVersion={content.get('version', '')}",
        f"ServicePort={content.get('port', '')}",
        f"Namespace={content.get('namespace', '')}",
        "IP=127.0.0.1",
        "Protocol=GRPC",
        f"Echo={message.decode(errors='replace')}",
        f"Hostname={content.get('pod', '')}",
    ]
    return "".join(f"{line}\n" for line in lines)


# -- protobuf ------------------------------------------------------------------------------------------


def _messages(body: bytes) -> Iterator[bytes]:
    """The messages of a body, each after a byte for compression and four for its length."""
    while len(body) >= 5:
        length = int.from_bytes(body[1:5], "big")
        yield body[5 : 5 + length]
        body = body[5 + length :]


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def _text(number: int, text: str) -> bytes:
    value = text.encode()
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(message: bytes, number: int) -> bytes:
    """The value of a field of text or bytes that is the first of its message; b"" if it is not."""
    if not message or message[0] != number << 3 | _LENGTH_DELIMITED:
        return b""
    length, position, shift = 0, 1, 0
    while position < len(message):
        byte = message[position]
        length |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            break
    return message[position : position + length]
