"""WebSockets for the stub: every message comes back (RFC 6455)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LARGEST_MESSAGE = 1024 * 1024
_CLOSE, _PING, _PONG = 8, 9, 10


def wants_websocket(headers: Mapping[str, str]) -> bool:
    """Whether a request asks to become a WebSocket."""
    return headers.get("upgrade", "").lower() == "websocket" and "sec-websocket-key" in headers


def accepted(headers: Mapping[str, str], further: Mapping[str, str]) -> bytes:
    """The answer to such a request, with further headers."""
    digest = hashlib.sha1((headers["sec-websocket-key"] + _KEY).encode(), usedforsecurity=False).digest()
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "upgrade: websocket",
        "connection: Upgrade",
        f"sec-websocket-accept: {base64.b64encode(digest).decode()}",
        *(f"{name}: {value}" for name, value in further.items()),
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def echo(reader: Any, connection: Any) -> None:
    """Sends every frame back until the client closes; a ping is answered with a pong."""
    while head := reader.read(2):
        kind = head[0] & 0x0F
        payload = _payload(head, reader)
        if payload is None:
            return
        if kind != _PONG:
            first = head[0] & 0xF0 | (_PONG if kind == _PING else kind)
            connection.sendall(bytes([first]) + _length(len(payload)) + payload)
        if kind == _CLOSE:
            return


def _payload(head: bytes, reader: Any) -> bytes | None:
    """The unmasked content of a frame; None if it is cut off or too large."""
    if len(head) < 2:
        return None
    length = head[1] & 0x7F
    if length > 125:
        length = int.from_bytes(reader.read(2 if length == 126 else 8), "big")
    mask = reader.read(4) if head[1] & 0x80 else b"\0\0\0\0"
    if length > _LARGEST_MESSAGE or len(mask) < 4:
        return None
    masked = reader.read(length)
    if len(masked) < length:
        return None
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))


def _length(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    return bytes([126]) + size.to_bytes(2, "big") if size < 65536 else bytes([127]) + size.to_bytes(8, "big")
