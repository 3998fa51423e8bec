"""Lines for a terminal: labels with what is said about them, places in files, and wrapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.formats.text import wrapped

Json = Mapping[str, Any]
Line = tuple[str, str]
"""A label, and what is said about it; an empty label continues the one before."""

_LABEL_WIDTH = 11


def object_of(place: Json) -> str:
    """Kind, namespace and name of the object at a place."""
    return str(place["object"])


def at(place: Json | None) -> str:
    """Where something is written: `  istio/base/virtualservice-logic.yaml:8`; nothing if it is in no file."""
    if place is None or not place["file"]:
        return ""
    line = f":{place['line']}" if place["line"] else ""
    return f"  [{place['file']}{line}]"


def block(lines: Iterable[Line], width: int, indent: str = "") -> str:
    """Labels and what is said about them, wrapped beside the label, or below it where it is narrow."""
    written: list[str] = []
    last = ""
    narrow = width < 70
    for label, said in lines:
        shown = "" if label == last and not narrow else label
        last = label or last
        if narrow:
            first = f"{indent}{f'{shown}: ' if shown else '  '}"
            rest = f"{indent}    "
        else:
            first, rest = f"{indent}{shown:<{_LABEL_WIDTH}}", indent + " " * _LABEL_WIDTH
        written += wrapped(said, width, first, f"{rest}  ") or [""]
    return "\n".join(written)
