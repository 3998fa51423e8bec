"""The value of an unquoted YAML scalar in Kubernetes.

kubectl reads YAML 1.1 with go-yaml, which differs from PyYAML: `1e3` is a number there, `12:30` and
`2024-01-31` are strings, `y` and `off` are booleans.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_FIRST_OF_WORD = frozenset(word[:1] for word in _WORDS)
_FIRST_OF_NUMBER = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_LARGEST_PLAIN_FLOAT = 1e21
_LONGEST_INTEGER = 20  # longer ones do not fit into 64 bits and are read as floats


def plain_scalar(word: str) -> Scalar:
    """The JSON value of an unquoted scalar; not-a-number and infinities remain strings."""
    first = word[:1]
    if first in _FIRST_OF_NUMBER:
        return _number(word)
    if first in _FIRST_OF_WORD:
        return _WORDS.get(word, word)
    return word


def _number(word: str) -> Scalar:
    digits = word.replace("_", "")
    if len(digits) <= _LONGEST_INTEGER and _INTEGER.match(digits):
        return _integer(digits)
    if not _FLOAT.match(digits):
        return word
    number = float(digits)
    if math.isinf(number):
        return word
    if number.is_integer() and abs(number) < _LARGEST_PLAIN_FLOAT:
        return int(number)  # JSON has one type of number: 80.0 reaches Kubernetes as 80
    return number


def _integer(digits: str) -> int:
    bare = digits.lstrip("+-")
    if len(bare) > 1 and bare[0] == "0" and bare[1].isdigit():
        digits = digits.replace("0", "0o", 1)  # 0644 is octal in YAML 1.1
    return int(digits, 0)
