"""A difference as text for people, as Envoy's JSON, and as JSON for programs."""

from __future__ import annotations

import difflib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from localmesh.diff.edits import ABSENT, Edit
from localmesh.diff.meshes import Difference, Replicas, SharedChange
from localmesh.diff.objects import ObjectChange
from localmesh.formats.text import wrapped

_VERSION = 1
_FIELDS_SHOWN = 3
_PROXIES_SHOWN = 12
_LONGEST_VALUE = 40


def text(difference: Difference) -> str:
    """What changes for whom, in the width of the terminal."""
    width = shutil.get_terminal_size((100, 0)).columns
    blocks = [
        "\n".join(line for change in difference.objects for line in _object(change, width)),
        "\n".join(map(_replicas, difference.replicas)),
        *_groups(difference.changes, width),
    ]
    if difference:
        blocks.append(_unchanged(difference, width))
    return "\n\n".join(filter(None, blocks)) or "no difference"


def _object(change: ObjectChange, width: int) -> Iterator[str]:
    yield f"{change.verb:<8} {change.subject}"
    for edit in change.fields[:_FIELDS_SHOWN]:
        yield from _wrapped(f"{edit.field}: {_field_change(edit)}", 9, width)
    more = len(change.fields) - _FIELDS_SHOWN
    if more > 0:
        yield f"{'':9}and {more} more field{'s' if more > 1 else ''}"


def _field_change(edit: Edit) -> str:
    if edit.before is ABSENT and isinstance(edit.after, (dict, list)):
        return "added"
    if edit.after is ABSENT and isinstance(edit.before, (dict, list)):
        return "removed"
    return f"{_short(edit.before)} → {_short(edit.after)}"


def _short(value: Any) -> str:
    shown = "none" if value is ABSENT else value if isinstance(value, str) else json.dumps(value)
    shown = shown.partition("\n")[0]
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[: _LONGEST_VALUE - 1]}…"


def _replicas(replicas: Replicas) -> str:
    if not replicas.before:
        return f"new proxy     {replicas.workload}{_pods(replicas.after)}"
    if not replicas.after:
        return f"proxy removed {replicas.workload}{_pods(replicas.before)}"
    return f"proxies       {replicas.workload}: {replicas.before} → {replicas.after}"


def _pods(number: int) -> str:
    return f" ({number} pods)" if number > 1 else ""


def _groups(changes: Iterable[SharedChange], width: int) -> Iterator[str]:
    """The changes by the proxies that they concern, then by what requests they are about."""
    groups: dict[tuple[str, ...], dict[str, dict[str, list[str]]]] = {}
    for change in changes:
        texts = groups.setdefault(change.proxies, {}).setdefault(change.subject, {})
        texts.setdefault(change.text, []).append(change.part)
    for proxies, subjects in groups.items():
        lines = _wrapped(_proxies(proxies), 0, width, hanging=4)
        for subject, texts in subjects.items():
            lines += _wrapped(subject, 2, width) if subject else []
            for line, parts in texts.items():
                lines += _wrapped(_with_parts(line, parts), 4, width, hanging=6)
        yield "\n".join(lines)


def _with_parts(line: str, parts: Sequence[str]) -> str:
    """A change and the rules or subsets that have it.

    >>> _with_parts("timeout: none → 1 s", ["/a*", "/b*"]), _with_parts("added", ["", "subset v1"])
    ('/a*; /b*: timeout: none → 1 s', 'added (also subset v1)')
    """
    named = "; ".join(filter(None, parts))
    if "" in parts:
        return f"{line} (also {named})" if named else line
    return f"{named}: {line}"


def _proxies(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_PROXIES_SHOWN])
    if len(names) > _PROXIES_SHOWN:
        shown += f" and {len(names) - _PROXIES_SHOWN} others"
    return f"{len(names)} workloads: {shown}" if len(names) > 1 else shown


def _unchanged(difference: Difference, width: int) -> str:
    names = difference.unchanged
    if not names:
        return ""
    if not difference.changes:
        return "no proxy's configuration changes"
    return "\n".join(_wrapped(f"nothing else changes; as before: {_proxies(names)}", 0, width, hanging=2))


def _wrapped(line: str, indent: int, width: int, hanging: int | None = None) -> list[str]:
    further = " " * (indent + 2 if hanging is None else hanging)
    return wrapped(line, width, " " * indent, further)


def envoy(difference: Difference) -> str:
    """The differences of Envoy's JSON as a unified diff, for each resource and the proxies that have it."""
    lines = [f"# {_replicas(replicas)}" for replicas in difference.replicas]
    lines += [line for change in difference.changes for line in _envoy_change(change)]
    return "\n".join(lines) or "# no proxy's configuration changes"


def _envoy_change(change: SharedChange) -> Iterator[str]:
    about = " ".join(filter(None, (change.subject, change.part)))
    yield f"# {about}: {change.text}" if about else f"# {change.text}"
    for proxies, edits in change.edits:
        for part in edits:
            yield f"--- {part.resource} {part.edit.field}".rstrip()
            yield f"+++ {_proxies(proxies)}"
            yield from _unified(part.edit)


def _unified(edit: Edit) -> Iterator[str]:
    before, after = (
        [] if value is ABSENT else json.dumps(value, indent=2, ensure_ascii=False).splitlines()
        for value in (edit.before, edit.after)
    )
    yield from list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]


def as_json(difference: Difference) -> str:
    """The difference for programs; its schema is `report.schema.json`."""
    document = {
        "version": _VERSION,
        "different": bool(difference),
        "objects": [
            {"change": change.verb, "object": change.subject, "fields": list(map(_edit, change.fields))}
            for change in difference.objects
        ],
        "proxies": [
            {"workload": replicas.workload, "before": replicas.before, "after": replicas.after}
            for replicas in difference.replicas
        ],
        "changes": [
            {
                "workloads": list(change.proxies),
                "subject": change.subject,
                "part": change.part,
                "text": change.text,
                "envoy": [
                    {"workloads": list(proxies), "resource": part.resource, **_edit(part.edit)}
                    for proxies, edits in change.edits
                    for part in edits
                ],
            }
            for change in difference.changes
        ],
        "unchanged": list(difference.unchanged),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _edit(edit: Edit) -> Mapping[str, Any]:
    """An edit; `before` and `after` are only there if the field was."""
    values = {"before": edit.before, "after": edit.after}
    return {"field": edit.field, **{name: value for name, value in values.items() if value is not ABSENT}}


REPORTS: Mapping[str, Callable[[Difference], str]] = {"text": text, "envoy": envoy, "json": as_json}
"""The formats by the value of `--output`."""
