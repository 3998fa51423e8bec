"""Paths in the normal form that Envoy gives them before it compares them (`normalize_path`, RFC 3986).

Dots are resolved, backslashes count as slashes, characters that need no escape lose it, and characters that
need one get it. Two slashes stay two slashes, and an escaped slash stays escaped, unless the mesh-wide
settings say otherwise (Istio, "Global Mesh Options", `ProxyPathNormalization`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from localmesh.catalog.mesh_config import Normalization

_UNRESERVED = re.compile(r"%([2-7][0-9A-Fa-f])")
_NEED_ESCAPE = re.compile(r"[^!#-;=?-_a-z|~]")  # a class of all that needs one takes 40 ms to compile
_ESCAPED_SLASH = re.compile(r"%(?:2(?P<slash>[fF])|5[cC])")
_SLASHES = re.compile("//+")
_MERGING = (Normalization.MERGE_SLASHES, Normalization.DECODE_AND_MERGE_SLASHES)
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*/?\Z")


@lru_cache(maxsize=4096)
def normalized(path: str, normalization: Normalization = Normalization.DEFAULT) -> str:
    """The path in the normal form of a mesh; its query stays as it is.

    >>> normalized("/a/../b/%7Euser/%2e/c?x=/../y"), normalized("/a//b/.."), normalized("/a%2Fb")
    ('/b/~user/c?x=/../y', '/a//', '/a%2Fb')
    >>> normalized("/a//b%2F..", Normalization.DECODE_AND_MERGE_SLASHES)
    '/a/'
    """
    bare, mark, query = path.partition("?")
    if _PLAIN.match(bare) or normalization is Normalization.NONE:
        return path
    if normalization is Normalization.DECODE_AND_MERGE_SLASHES:
        bare = _ESCAPED_SLASH.sub(lambda match: "/" if match["slash"] else "\\", bare)
    bare = _without_dots(_escaped(bare.replace("\\", "/")))
    if normalization in _MERGING:
        bare = _SLASHES.sub("/", bare)
    return bare + mark + query


def _escaped(path: str) -> str:
    plain = _UNRESERVED.sub(lambda match: _decoded(match.group(0), int(match.group(1), 16)), path)
    return _NEED_ESCAPE.sub(lambda match: "".join(_percent(match.group(0))), plain)


def _decoded(written: str, code: int) -> str:
    character = chr(code)
    return character if character.isalnum() or character in "-._~" else written


def _percent(character: str) -> Iterator[str]:
    return (f"%{byte:02X}" for byte in character.encode())


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
