"""A request, and its encoding as bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from loadgen.errors import UsageError
from loadgen.http1.target import Target

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_A_PATH = re.compile(r"[\x00-\x20\x7f-\U0010ffff]")
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = {"content-length", "transfer-encoding", "connection", "expect"}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; headers keep their order, and a Host or User-Agent replaces the default one."""

    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.method):
            raise UsageError(f'"{self.method}" is not an HTTP method')
        if not self.path.startswith("/") or _NOT_IN_A_PATH.search(self.path):
            raise UsageError(f'path "{self.path}" must begin with "/" and be percent-encoded ASCII')
        for name, value in self.headers:
            _check_header(name, value)

    def encode(self, target: Target) -> bytes:
        """The bytes to send, encoded once for any number of sends."""
        given = {name.lower() for name, _ in self.headers}
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        if "host" not in given:
            lines.append(f"host: {target.authority}")
        if "user-agent" not in given:
            lines.append("user-agent: sentimesh-loadgen")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body or self.method in {"POST", "PUT", "PATCH"}:
            lines.append(f"content-length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def _check_header(name: str, value: str) -> None:
    if not _TOKEN.fullmatch(name):
        raise UsageError(f'"{name}" is not a header name')
    if name.lower() in _FRAMING:
        raise UsageError(f'header "{name}" is set by loadgen; remove it')
    if _NOT_IN_A_VALUE.search(value):
        raise UsageError(f'header "{name}": its value has a control character (a line break?)')
