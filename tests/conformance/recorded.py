"""The file beside a case's input: what Istio made of it, as far as it is not what the mesh alone gives.

An element is written once for all proxies that have it; a case that shows a mesh alone is written whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.conformance.case import Case, cases, named
from tests.conformance.elements import Elements, Json, Name

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HEAD = "# Recorded by `python -m tests.conformance.record`; not written by hand.\n"


@dataclass(frozen=True, slots=True)
class Recording:
    """What Istio told every proxy, and which Istio."""

    istio: str
    elements: Elements


class NotRecordedError(LookupError):
    """A case has no recording yet; the message says how to make one."""

    def __init__(self, case: Case) -> None:
        super().__init__(f"{case.name} is not recorded: python -m tests.conformance.record {case.name}")


@cache
def read(case: Case) -> Recording:
    """The recording of a case, whole. Raises NotRecordedError."""
    if not case.recorded.exists():
        raise NotRecordedError(case)
    document = yaml.load(case.recorded.read_text(encoding="utf-8"), Loader=_LOADER)
    elements = dict(read(named(case.baseline)).elements) if case.baseline else {}
    for gone in document.get("gone", ()):
        for lost in _names(gone):
            elements.pop(lost, None)
    for changed in document.get("changed", ()):
        elements |= dict.fromkeys(_names(changed), changed["is"])
    return Recording(document["istio"], elements)


def write(case: Case, recording: Recording) -> None:
    """Writes a recording beside its case's input; those that build upon it keep their meaning."""
    above = [each for each in cases() if each.baseline == case.name and each.recorded.exists()]
    kept = [(each, read(each)) for each in above] if case.recorded.exists() else []
    _write(case, recording)
    for each, whole in kept:
        _write(each, whole)


def _write(case: Case, recording: Recording) -> None:
    before = read(named(case.baseline)).elements if case.baseline else {}
    after = recording.elements
    changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
    gone = dict.fromkeys(name for name in before if name not in after)
    document: Json = {"istio": recording.istio}
    if changed:
        document["changed"] = list(_grouped(changed))
    if gone:
        document["gone"] = [{key: entry[key] for key in _WHERE} for entry in _grouped(gone)]
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    case.recorded.write_text(_HEAD + text, encoding="utf-8")
    read.cache_clear()


_WHERE = ("proxies", "part", "name")


class _Dumper(yaml.SafeDumper):
    """Writes equal values each time anew instead of naming them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _grouped(elements: Elements) -> Iterable[Json]:
    """One entry per part, name and value, with the proxies that have it."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, value in elements.items():
        key = (name.part, name.name, json.dumps(value, sort_keys=True))
        groups.setdefault(key, []).append(name.proxy)
    for (part, called, value), proxies in sorted(groups.items()):
        yield {"proxies": sorted(proxies), "part": part, "name": called, "is": json.loads(value)}


def _names(entry: Json) -> Iterable[Name]:
    return (Name(proxy, entry["part"], entry["name"]) for proxy in entry["proxies"])
