"""The field `request` of a case: a line such as `GET http://logic/path`, or fields that may be lists."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localmesh.explain.request import DEFAULT_HOST, InvalidUrlError, Request
from localmesh.problems import FieldPath
from localmesh.problems.fields import quoted
from localmesh.route_tests.case_schema import FaultyFieldError

_METHOD = re.compile(r"[A-Z][A-Z-]*\Z")
_LINE = "write METHOD URL, such as GET http://logic/path, or POST /path to enter through the gateway"


def as_fields(request: object) -> dict[str, Any]:
    """The request as a mapping; a line is divided into method and URL, or path."""
    if isinstance(request, str):
        method, _, url = request.strip().rpartition(" ")
        place = {"path": url} if url.startswith("/") else {"url": url}
        return {**({"method": method.strip()} if method else {}), **place}
    return dict(request) if isinstance(request, Mapping) else {}


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of two requests, in which those of the second count; headers are merged by name."""
    replaced = {"host", "path"} if "url" in second else {"url"} if second.keys() & {"host", "path"} else set()
    kept = {name: value for name, value in first.items() if name not in replaced}
    headers = {**(first.get("headers") or {}), **(second.get("headers") or {})}
    return {**kept, **second, **({"headers": headers} if headers else {})}


def requests(fields: Mapping[str, Any], sources: Sequence[str], folder: Path) -> Iterator[Request]:
    """Every combination of the fields that are lists. Raises FaultyFieldError, with paths in `request`."""
    headers = {name: value for name, value in (fields.get("headers") or {}).items() if value is not None}
    token = fields.get("jwt")
    if isinstance(token, str):
        headers["authorization"] = f"Bearer {_token(folder / token)}"
    claims = token if isinstance(token, Mapping) else None
    methods = as_list(fields.get("method", "GET"))
    for source, (url, at), method in itertools.product(sources, _urls(fields), methods):
        if not _METHOD.match(method):
            raise FaultyFieldError(FieldPath("method"), f"{quoted(method)} is not a method; {_LINE}")
        try:
            yield Request.to(url, method=method, headers=headers, source=source, claims=claims)
        except InvalidUrlError as error:
            raise FaultyFieldError(at, str(error)) from None


def as_list(value: object) -> list[str]:
    """The strings of a field that can be a string or a list."""
    return list(value) if isinstance(value, list) else [str(value)]


def _urls(fields: Mapping[str, Any]) -> Iterator[tuple[str, FieldPath]]:
    """The URLs and the fields that they are from."""
    if "url" in fields:
        if "host" in fields or "path" in fields:
            raise FaultyFieldError(FieldPath("url"), "url is set beside host or path; keep one of them")
        for url in as_list(fields["url"]):
            yield f"{DEFAULT_HOST}{url}" if url.startswith("/") else url, FieldPath("url")
        return
    if not fields.keys() & {"host", "path"}:
        raise FaultyFieldError(FieldPath(), f"the request has no URL; {_LINE}")
    for host, path in itertools.product(
        as_list(fields.get("host", DEFAULT_HOST)), as_list(fields.get("path", "/"))
    ):
        if not path.startswith("/"):
            raise FaultyFieldError(FieldPath("path"), f"{quoted(path)} does not start with /; write /{path}")
        yield f"http://{host}{path}", FieldPath("host")


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message = f"{file} cannot be read: {reason}; write the claims of a token, or a file that contains one"
        raise FaultyFieldError(FieldPath("jwt"), message) from None
    if not token:
        raise FaultyFieldError(FieldPath("jwt"), f"{file} is empty; write a token to it")
    return token
