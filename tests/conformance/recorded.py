"""The file with the recorded output of Istio, as far as it differs from that of the mesh alone.

An element is written once for all proxies that have it. The file of a mesh alone is complete.
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
    """The configuration of every proxy, and the version of Istio."""

    istio: str
    elements: Elements


class NotRecordedError(LookupError):
    """A case has no recording; the message says how to make one."""

    def __init__(self, case: Case) -> None:
        super().__init__(f"{case.name} is not recorded: python -m tests.conformance.record {case.name}")


@cache
def read(case: Case) -> Recording:
    """The complete recording of a case. Raises NotRecordedError."""
    if not case.recorded.exists():
        raise NotRecordedError(case)
    document = yaml.load(case.recorded.read_text(encoding="utf-8"), Loader=_LOADER)
    elements = dict(read(named(case.baseline)).elements) if case.baseline else {}
    for gone in document.get("gone", ()):
        for name in _names(gone):
            elements.pop(name, None)
    for changed in document.get("changed", ()):
        elements |= dict.fromkeys(_names(changed), changed["is"])
    return Recording(document["istio"], elements)


def write(case: Case, recording: Recording) -> None:
    """Writes the recording of a case; recordings that build on it are rewritten with the same content."""
    dependents = [other for other in cases() if other.baseline == case.name and other.recorded.exists()]
    kept = [(other, read(other)) for other in dependents] if case.recorded.exists() else []
    _write(case, recording)
    for other, complete in kept:
        _write(other, complete)


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
    case.folder.mkdir(exist_ok=True)  # an overlay's case has no folder before it is recorded
    case.recorded.write_text(_HEAD + text, encoding="utf-8")
    read.cache_clear()


_WHERE = ("proxies", "part", "name")


class _Dumper(yaml.SafeDumper):
    """Writes equal values in full instead of as aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _grouped(elements: Elements) -> Iterable[Json]:
    """One entry for each part, name and value, with the proxies that have it."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for name, value in elements.items():
        key = (name.part, name.name, json.dumps(value, sort_keys=True))
        groups.setdefault(key, []).append(name.proxy)
    for (part, called, value), proxies in sorted(groups.items()):
        yield {"proxies": sorted(proxies), "part": part, "name": called, "is": json.loads(value)}


def _names(entry: Json) -> Iterable[Name]:
    return (Name(proxy, entry["part"], entry["name"]) for proxy in entry["proxies"])
