"""Labels in selectors of Istio's own kinds (istio: pkg/config/labels, Instance.Validate).

Less is asked than of labels on objects: capitals in the prefix and values of any length pass, although no
pod can have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.formats.hostnames import is_label
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

_NAME = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_LONGEST_NAME = 63
_LONGEST_PREFIX = 253
_WORDS = "letters, digits, -, _ and ., beginning and ending with a letter or digit"


def selector_labels(labels: Field) -> Iterator[Problem]:
    """The labels that a subset or a match asks for."""
    for key, label in labels.entries():
        if not _is_key(key):
            yield label.problem(
                invalid.BAD_LABEL,
                part="the label key",
                found=quoted(key),
                expected=f"a name of {_WORDS}, after an optional DNS name and a slash",
            )
        if label.text and not _NAME.match(label.text):
            yield label.problem(invalid.BAD_LABEL, part="the label value", expected=_WORDS)


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if len(name) > _LONGEST_NAME or not _NAME.match(name):
        return False
    return not slash or (len(prefix) <= _LONGEST_PREFIX and all(map(is_label, prefix.split("."))))
