"""ConfigMap and Secret: their records and what Kubernetes requires of their data."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.kinds.kind import Kind
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")
_LARGEST = 1024 * 1024


def keys(root: Field) -> Iterator[Problem]:
    """Keys become file names and environment variables."""
    for block in ("data", "binaryData", "stringData"):
        for key, field in root.get(block).entries():
            if not _KEY.match(key) or key in {".", ".."}:
                yield field.problem(
                    invalid.BAD_NAME,
                    found=quoted(key),
                    expected="a key of at most 253 letters, digits, -, _ and .",
                )


def data_or_binary(root: Field) -> Iterator[Problem]:
    """A key is in data or in binaryData, not in both."""
    text = root.get("data").value
    for key, field in root.get("binaryData").entries():
        if isinstance(text, dict) and key in text:
            first = root.get("data", key).path
            yield field.problem(invalid.DUPLICATE_ENTRY, what="the key", found=quoted(key), first=first)


def size(root: Field) -> Iterator[Problem]:
    """The API server stores no larger objects."""
    fields = [
        field for block in ("data", "binaryData", "stringData") for _, field in root.get(block).entries()
    ]
    total = sum(len((field.text or "").encode(errors="replace")) for field in fields)
    if total > _LARGEST:
        yield root.problem(
            invalid.OUT_OF_RANGE,
            found=f"{total:,} bytes of data",
            expected=f"at most {_LARGEST:,}",
            remedy="use a volume for large data",
        )


CONFIG_MAP = Kind(
    group="",
    name="ConfigMap",
    versions=("v1",),
    plural="configmaps",
    short_names=("cm",),
    rules=(keys, data_or_binary, size),
)
SECRET = Kind(
    group="",
    name="Secret",
    versions=("v1",),
    plural="secrets",
    rules=(keys, size),
)
