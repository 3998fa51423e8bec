"""Destinations of routes that do not exist: Envoy answers what is sent to them with 503."""

from __future__ import annotations

import json
from collections.abc import Iterable

from localmesh.diff.edits import ABSENT, Edit
from localmesh.diff.formats import destination
from localmesh.diff.route_words import shares
from localmesh.translate import ProxyConfig


def newly_missing(before: ProxyConfig, after: ProxyConfig) -> list[str]:
    """The clusters to which routes lead that exist no longer, or that never did."""
    return sorted(_missing(after) - _missing(before))


def notes(edits: Iterable[Edit], missing: Iterable[str]) -> list[str]:
    """What a change with these edits has to say of the missing clusters."""
    changed = tuple(edits)
    return [
        f"{destination(name)} does not exist, so that it is answered with 503"
        for name in missing
        if any(_names(edit, name) for edit in changed)
    ]


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


def _names(edit: Edit, cluster: str) -> bool:
    """Whether a cluster is in what an edit adds, or in what it removes without adding anything."""
    value = edit.before if edit.after is ABSENT else edit.after
    return json.dumps(cluster) in json.dumps(value, default=str)
