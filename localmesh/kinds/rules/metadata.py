"""What Kubernetes requires of the name, labels and annotations of every object."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.kinds.kind import NameFormat
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_LONGEST_SUBDOMAIN = 253
_MOST_ANNOTATIONS = 256 * 1024

LABEL_WORDS = "at most 63 lower-case letters, digits and -, starting and ending with a letter or digit"
SUBDOMAIN_WORDS = "at most 253 lower-case letters, digits, - and ., each part starting and ending with a " \
    "letter or digit"  # fmt: skip
_VALUE_WORDS = "at most 63 letters, digits, -, _ and ., starting and ending with a letter or digit"
_KEY_WORDS = f"a name of {_VALUE_WORDS}, after an optional DNS name and a slash"


def is_label(text: str) -> bool:
    """Whether the text is a label as defined by RFC 1123, as names of Services and containers are."""
    return _LABEL.match(text) is not None


def is_subdomain(text: str) -> bool:
    """Whether the text is a DNS name in lower case, as most names of objects are."""
    return len(text) <= _LONGEST_SUBDOMAIN and _SUBDOMAIN.match(text) is not None


def names(root: Field, name_format: NameFormat) -> Iterator[Problem]:
    """The name and namespace are valid."""
    name = root.get("metadata", "name")
    if name.text and not _is_name(name.text, name_format):
        words = LABEL_WORDS if name_format is NameFormat.LABEL else SUBDOMAIN_WORDS
        yield name.problem(invalid.BAD_NAME, expected=words)
    namespace = root.get("metadata", "namespace")
    if namespace.text and not is_label(namespace.text):
        yield namespace.problem(invalid.BAD_NAME, expected=LABEL_WORDS)


def _is_name(name: str, name_format: NameFormat) -> bool:
    match name_format:
        case NameFormat.LABEL:
            return is_label(name)
        case NameFormat.PATH_SEGMENT:
            return "/" not in name and "%" not in name and name not in {".", ".."}
        case NameFormat.SUBDOMAIN:
            return is_subdomain(name)


def labels_and_annotations(root: Field) -> Iterator[Problem]:
    """The labels and annotations are valid."""
    yield from label_problems(root.get("metadata", "labels"))
    annotations = root.get("metadata", "annotations")
    for key, field in annotations.entries():
        if not _is_key(key.lower()):
            yield field.problem(
                invalid.BAD_LABEL, part="the annotation key", found=quoted(key), expected=_KEY_WORDS
            )
    size = sum(len(key) + len(field.text or "") for key, field in annotations.entries())
    if size > _MOST_ANNOTATIONS:
        yield annotations.problem(
            invalid.OUT_OF_RANGE,
            found=f"{size:,} characters",
            expected=f"at most {_MOST_ANNOTATIONS:,}",
            remedy="move the data to a ConfigMap",
        )


def label_problems(labels: Field) -> Iterator[Problem]:
    """Labels are valid, on an object, in a template or in a selector."""
    for key, field in labels.entries():
        if not _is_key(key):
            yield field.problem(
                invalid.BAD_LABEL, part="the label key", found=quoted(key), expected=_KEY_WORDS
            )
        if field.text and not _QUALIFIED.match(field.text):
            yield field.problem(invalid.BAD_LABEL, part="the label value", expected=_VALUE_WORDS)


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return _QUALIFIED.match(name) is not None and (not slash or is_subdomain(prefix))


def entry_names(entries: Field, *, what: str, key: str = "name") -> Iterator[Problem]:
    """Names of the entries of a list are unique."""
    first: dict[str, Field] = {}
    for entry in entries.items():
        name = entry.get(key)
        if name.text and first.setdefault(name.text, name) is not name:
            yield name.problem(invalid.DUPLICATE_ENTRY, what=what, first=first[name.text].path)
