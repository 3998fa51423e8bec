"""Text for a terminal: counted things and wrapped lines."""

from __future__ import annotations

import textwrap


def counted(count: int, what: str) -> str:
    """A number with the thing it counts.

    >>> counted(1, "file"), counted(1200, "rule")
    ('1 file', '1,200 rules')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """The lines of a text, with an indent for the first and one for the others.

    Words such as paths and hosts are not broken, so that they can be copied.

    >>> wrapped("route: web-v1.shop.example", 16, "- ", "  ")
    ['- route:', '  web-v1.shop.example']
    """
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
