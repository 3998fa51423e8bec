"""Who is let in: policies and the mTLS mode of each port, and since when proxies apply them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from loadgen.meshstate.resources import Object, oldest_first

OLDEST_CONNECTION_SECONDS = 48.0
"""How long connections may follow a policy that is gone. For a new policy Istio replaces a proxy's listener.
Open connections serve one more request by the old one while it drains: 45 s (its default `drainDuration`),
and a moment until the proxy has the update."""
PERMISSIVE = "PERMISSIVE"
STRICT = "STRICT"


def applies_to(policy: Object, app: str) -> bool:
    """Whether a policy applies to the pods of a service: it has no selector, or one with their `app`."""
    labels = ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return bool(labels.get("app", app) == app)


def last_change(policies: Iterable[Object]) -> float | None:
    """When the newest policy was created or changed (Unix time); None where the API has no times."""
    from datetime import datetime

    times = [
        datetime.fromisoformat(text).timestamp()
        for policy in policies
        for text in _timestamps(policy["metadata"])
        if text
    ]
    return max(times, default=None)


def _timestamps(metadata: Object) -> list[str | None]:
    managed = metadata.get("managedFields") or ()
    return [metadata.get("creationTimestamp"), *(entry.get("time") for entry in managed)]


def seconds_until_applied(changed: float | None, now: Callable[[], float] = time.time) -> float:
    """How long connections may still be open that do not follow policies changed at this time.

    There are none on a local mesh: its policies apply to open connections, too, and its API has no times.
    """
    if changed is None:
        return 0.0
    return min(max(0.0, changed + OLDEST_CONNECTION_SECONDS - now()), OLDEST_CONNECTION_SECONDS)


def mtls_mode(policies: Iterable[Object], labels: Mapping[str, str], port: int) -> str:
    """The mTLS mode of a container port of a pod with these labels (Istio, "PeerAuthentication").

    `policies` are the PeerAuthentications of the pod's namespace; the default is PERMISSIVE. The oldest one
    whose selector matches the pod comes first, its mode for the port before that for the workload, then
    the one for the namespace.
    """
    oldest = oldest_first(policies)
    namespace = next((_spec(policy) for policy in oldest if not _selector(policy)), {})
    workload = next((_spec(policy) for policy in oldest if _selects(policy, labels)), {})
    by_port = {str(number): mtls for number, mtls in (workload.get("portLevelMtls") or {}).items()}
    modes = map(_mode, (by_port.get(str(port)), workload.get("mtls"), namespace.get("mtls")))
    return next((mode for mode in modes if mode), PERMISSIVE)


def _spec(policy: Object) -> Mapping[str, Any]:
    return policy.get("spec") or {}


def _selector(policy: Object) -> Mapping[str, str]:
    return (_spec(policy).get("selector") or {}).get("matchLabels") or {}


def _selects(policy: Object, labels: Mapping[str, str]) -> bool:
    selector = _selector(policy)
    return bool(selector) and selector.items() <= labels.items()


def _mode(mtls: Mapping[str, str] | None) -> str | None:
    mode = (mtls or {}).get("mode", "UNSET")
    return None if mode == "UNSET" else mode
