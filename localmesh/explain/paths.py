"""The form in which Envoy sees a path, which routes and policies compare.

Every listener normalizes paths as Istio's `pathNormalization: BASE` does (RFC 3986, as Chromium implements
it): a backslash is a slash, `.` and `..` are resolved, escapes of characters that need none are removed.
"""

from __future__ import annotations

import re

_USUAL = re.compile(r"(?:/(?!\.)[!$&'()*+,:;=@\w~.-]*)+", re.ASCII)
"""A path that is normal as it is: without escapes, backslashes and segments that start with a dot."""
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_MUST_BE_ESCAPED = re.compile(r'[\x00-\x20"#<>?`{}\x7f-\U0010ffff]')


def normalized_path(path: str) -> str:
    """A path as listeners normalize it; its query stays as it is.

    >>> normalized_path("/a/./b/../c\\\\d?x=/../"), normalized_path("/%61%2Fb//c")
    ('/a/c/d?x=/../', '/a%2Fb//c')
    """
    bare, mark, query = path.partition("?")
    if _USUAL.fullmatch(bare) or not bare.startswith("/"):
        return path
    unescaped = _ESCAPE.sub(_unescaped, bare).replace("\\", "/")
    return _MUST_BE_ESCAPED.sub(_escaped, _without_dots(unescaped)) + mark + query


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0]


def _escaped(character: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in character[0].encode())


def _without_dots(path: str) -> str:
    """The path without `.` and `..`; the last segment leaves its slash behind."""
    segments: list[str] = []
    names = path.split("/")[1:]
    for index, name in enumerate(names):
        if name == "..":
            segments = segments[:-1]
        elif name != ".":
            segments.append(name)
        if name in (".", "..") and index == len(names) - 1:
            segments.append("")
    return "/" + "/".join(segments)
