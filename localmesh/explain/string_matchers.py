"""Envoy's matchers of strings: whether they match, and what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import re2

Json = Mapping[str, Any]


def string_matches(matcher: Json, value: str) -> bool:
    """Whether Envoy's StringMatcher matches a value."""
    if "safeRegex" in matcher:
        return regex(matcher["safeRegex"]["regex"]).fullmatch(value) is not None
    ((kind, expected),) = ((key, text) for key, text in matcher.items() if key != "ignoreCase")
    if matcher.get("ignoreCase"):
        expected, value = expected.lower(), value.lower()
    if kind == "exact":
        return bool(value == expected)
    if kind == "prefix":
        return value.startswith(expected)
    if kind == "suffix":
        return value.endswith(expected)
    return bool(expected in value)


@lru_cache(maxsize=4096)
def regex(pattern: str) -> Any:
    """A compiled regular expression of RE2, the library that Envoy uses."""
    return re2.compile(pattern)


def string_text(matcher: Json) -> str:
    """A StringMatcher in words.

    >>> string_text({"exact": "a"}), string_text({"safeRegex": {"regex": "a+"}})
    ('exact "a"', 'regex "a+"')
    """
    return " or ".join(_parts(matcher))


def _parts(matcher: Json) -> Iterator[str]:
    for kind, text in matcher.items():
        if kind == "safeRegex":
            yield f'regex "{text["regex"]}"'
        elif kind != "ignoreCase":
            yield f'{kind} "{text}"'
