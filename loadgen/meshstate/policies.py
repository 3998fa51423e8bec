"""The policies in force that decide who is let in, and how long they have been."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from loadgen.meshstate.api import MeshApi, Object

SECURITY = "security.istio.io/v1"
OLDEST_CONNECTION_SECONDS = 48.0
"""Istio changes a proxy's listener for a new policy. Connections that are open serve one more request by
the old one, for as long as the old listener drains: 45 s (its default `drainDuration`), and a moment until
the proxy has been told."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The security objects of one namespace."""

    authorization: tuple[Object, ...] = ()
    request_authentication: tuple[Object, ...] = ()

    @property
    def changed(self) -> float | None:
        """When the youngest of them was made or changed (Unix time); None where the API does not say."""
        times = [
            time for each in (*self.authorization, *self.request_authentication) for time in _times(each)
        ]
        return max(times, default=None)


def policies(api: MeshApi) -> Policies:
    """What is in force now."""
    return Policies(
        authorization=api.objects(SECURITY, "authorizationpolicies"),
        request_authentication=api.objects(SECURITY, "requestauthentications"),
    )


def holds_for(policy: Object, app: str) -> bool:
    """Whether a policy holds for pods of a service: it has no selector, or one that names their `app`."""
    labels = ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return bool(labels.get("app", app) == app)


def seconds_to_wait(found: Policies, now: Callable[[], float] = time.time) -> float:
    """How long connections may still be open that know nothing of these policies.

    None are on a local mesh, whose policies hold for open connections too, and whose API gives no times.
    """
    if found.changed is None:
        return 0.0
    return min(max(0.0, found.changed + OLDEST_CONNECTION_SECONDS - now()), OLDEST_CONNECTION_SECONDS)


def _times(item: Object) -> list[float]:
    metadata = item["metadata"]
    written = [metadata.get("creationTimestamp")]
    written += [each.get("time") for each in metadata.get("managedFields") or ()]
    return [datetime.fromisoformat(text).timestamp() for text in written if text]
