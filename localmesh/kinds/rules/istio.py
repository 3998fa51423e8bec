"""What several kinds of Istio have: exportTo, and labels in selectors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.formats.hostnames import is_label
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed, quoted

PRIVATE = "."
PUBLIC = "*"

_GATEWAY_API = "gateway.networking.k8s.io"
_TARGETS = (
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    (_GATEWAY_API, "Gateway"),
    (_GATEWAY_API, "GatewayClass"),
)


def targets(root: Field) -> Iterator[Problem]:
    """A policy selects pods by labels or names what it is for (istio: validatePolicyTargetReference)."""
    spec = root.get("spec")
    choices = ("selector", "targetRef", "targetRefs")
    written = [name for name in choices if spec.get(name).value not in (None, [])]
    if len(written) > 1:
        yield spec.problem(invalid.EXCLUSIVE_FIELDS, found=listed(written), expected=listed(choices))
    for reference in (spec.get("targetRef"), *spec.get("targetRefs").items()):
        if not reference:
            continue
        if not reference.get("name").text:
            yield reference.problem(invalid.MISSING_FIELD, name="name", why="", remedy="name the target")
        if reference.get("namespace").text:
            yield reference.get("namespace").problem(
                invalid.BAD_ENTRY,
                expected="no namespace, because a policy is for targets of its own",
                remedy="remove the field, or move the policy",
            )
        target = reference.get("group").text or "", reference.get("kind").text or ""
        if (target[0].removeprefix("core"), target[1]) not in _TARGETS:
            yield reference.problem(
                invalid.NOT_IN_SET,
                found=quoted("/".join(target).strip("/")),
                expected=listed(("/".join(target).strip("/") for target in _TARGETS), "or"),
                remedy="write group and kind of one of these",
            )


def exports(root: Field) -> Iterator[Problem]:
    """exportTo names each namespace once, or `*` alone (istio: validateExportTo)."""
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


# -- labels ------------------------------------------------------------------------------------------

_NAME = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_PART = "[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
_PREFIX = re.compile(rf"{_PART}(?:\.{_PART})*\Z")
_LONGEST_NAME = 63
_LONGEST_PREFIX = 253
_WORDS = "letters, digits, -, _ and ., starting and ending with a letter or digit"


def selector_labels(labels: Field) -> Iterator[Problem]:
    """The labels that a subset or a match selects by (istio: pkg/config/labels, Instance.Validate).

    Istio requires less of them than Kubernetes of labels on objects: capitals in the prefix and values of any
    length pass, although no pod can have them.
    """
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


def policy_selector(root: Field) -> Iterator[Problem]:
    """The selector of a policy or of another object with `selector` has no wildcards."""
    yield from workload_labels(root.get("spec", "selector", "matchLabels"))


def workload_selector(root: Field) -> Iterator[Problem]:
    """The `workloadSelector` of a Sidecar or an EnvoyFilter has no wildcards."""
    yield from workload_labels(root.get("spec", "workloadSelector", "labels"))


def workload_labels(labels: Field) -> Iterator[Problem]:
    """The labels that select workloads (istio: validation.go, validateWorkloadSelector).

    Istio requires no more of them, although pods cannot have all of these labels; the schemas exclude
    wildcards in values.
    """
    for key, label in labels.entries():
        if not key or "*" in key:
            yield label.problem(
                invalid.BAD_LABEL,
                part="the label key",
                found=quoted(key),
                expected="one that is not empty and has no wildcard",
            )


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if len(name) > _LONGEST_NAME or not _NAME.match(name):
        return False
    return not slash or (len(prefix) <= _LONGEST_PREFIX and _PREFIX.match(prefix) is not None)
