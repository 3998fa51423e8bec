"""exportTo: which namespaces see an object (istio: validateExportTo)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_label
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

PRIVATE = "."
PUBLIC = "*"


def exports(root: Field) -> Iterator[Problem]:
    """Each namespace once, and `*` alone."""
    entries = root.get("spec", "exportTo")
    first: dict[str, Field] = {}
    for entry in entries.items():
        if entry.text is None:
            continue
        namespace = root.place.namespace if entry.text == PRIVATE else entry.text
        if namespace != PUBLIC and not is_label(namespace):
            yield entry.problem(
                invalid.BAD_EXPORT,
                expected='".", "*" or the name of a namespace',
                remedy="write one of these",
            )
        elif first.setdefault(namespace, entry) is not entry:
            yield entry.problem(
                invalid.BAD_EXPORT, expected="each namespace once", remedy="remove one of the two"
            )
    if PUBLIC in first and len(entries) > 1:
        yield first[PUBLIC].problem(
            invalid.BAD_EXPORT, expected='"*" alone', remedy='remove the others, or remove "*"'
        )
