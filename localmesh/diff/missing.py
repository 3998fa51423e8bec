"""Destinations of routes that do not exist: Envoy answers what is sent to them with 503."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from localmesh.diff.edits import ABSENT
from localmesh.diff.formats import destination
from localmesh.diff.route_words import shares
from localmesh.translate import ProxyConfig

if TYPE_CHECKING:
    from localmesh.diff.proxies import Change


def with_missing(changes: Iterable[Change], before: ProxyConfig, after: ProxyConfig) -> Iterator[Change]:
    """The changes; those after which a destination of a route no longer exists say so."""
    missing = sorted(_missing(after) - _missing(before))
    for change in changes:
        names = [name for name in missing if any(_names(part.edit, name) for part in change.edits)]
        notes = [f"{destination(name)} does not exist, so that it is answered with 503" for name in names]
        yield replace(change, text="; ".join((change.text, *notes))) if notes else change


def _missing(config: ProxyConfig) -> set[str]:
    """The clusters that routes lead to and that the proxy does not have."""
    used = {
        name
        for configuration in config.routes
        for host in configuration.get("virtualHosts", ())
        for route in host.get("routes", ())
        for name in shares(route)
    }
    return used - {cluster.get("name") for cluster in config.clusters}


def _names(edit: Any, cluster: str) -> bool:
    """Whether a cluster is in what an edit adds, or in what it removes without adding anything."""
    value = edit.before if edit.after is ABSENT else edit.after
    return json.dumps(cluster) in json.dumps(value, default=str)
