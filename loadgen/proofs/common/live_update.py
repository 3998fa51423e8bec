"""Changing one object of what is in force: a proof's own step of a scenario, here or on a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from loadgen.meshstate import MeshApi

Change = Callable[[MeshApi, dict[str, Any]], None]
"""Puts an object, read from the API and edited, in the place of what it was."""


def change_localmesh(api: MeshApi, item: dict[str, Any]) -> None:
    """By localmesh's own apply, which returns when every proxy has acknowledged."""
    api.send("POST", "/mesh/apply", {"text": json.dumps(item), "file": "loadgen", "merge": True})


def change_cluster(api: MeshApi, item: dict[str, Any]) -> None:
    """By the Kubernetes API; proxies follow a moment later.

    Only the `spec` is replaced: the rest of what was read (its `resourceVersion`) is old after one change.
    """
    group, kind = item["apiVersion"], str(item["kind"]).lower()
    name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
    path = f"/apis/{group}/namespaces/{namespace}/{kind}s/{name}"
    api.send("PATCH", path, {"spec": item["spec"]}, media_type="application/merge-patch+json")
