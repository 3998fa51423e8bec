"""When each condition of a status last changed (Kubernetes, "API Conventions", `lastTransitionTime`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str, str]
Statuses = Mapping[Key, Json]

_GROUPS = ("listeners", "parents", "ancestors")


def with_times(statuses: Statuses, before: Statuses, now: datetime) -> Statuses:
    """The statuses with the times of their conditions: that of before where the condition is as before."""
    known = {
        (key, place, condition["type"], condition["status"]): condition["lastTransitionTime"]
        for key, status in before.items()
        for place, condition in _conditions(status)
    }
    text = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    for key, status in statuses.items():
        for place, condition in _conditions(status):
            same = key, place, condition["type"], condition["status"]
            condition["lastTransitionTime"] = known.get(same, text)
    return statuses


def _conditions(status: Json) -> Iterator[tuple[str, Json]]:
    """All conditions of a status, each with what tells its list from the others."""
    for condition in status.get("conditions", ()):
        yield "", condition
    for group in _GROUPS:
        for entry in status.get(group, ()):
            reference = entry.get("parentRef") or entry.get("ancestorRef") or entry.get("name")
            for condition in entry.get("conditions", ()):
                yield f"{group} {reference}", condition
