"""What each port of a workload takes, mTLS or plain text or both, as PeerAuthentications say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loadgen.meshstate.api import Object
from loadgen.meshstate.routes import oldest_first

KIND = ("security.istio.io/v1", "peerauthentications")
"""Where PeerAuthentications are in the API."""
PERMISSIVE = "PERMISSIVE"
STRICT = "STRICT"


def mode_of(policies: Iterable[Object], labels: Mapping[str, str], port: int) -> str:
    """The mode for a container port of a pod with these labels (Istio, "Peer Authentication").

    The policies are those of the pod's namespace; without one that says something it is PERMISSIVE. The
    oldest with a selector that means the pod comes first, its port before the whole, then the namespace's.
    """
    oldest = oldest_first(policies)
    wide = next((_spec(policy) for policy in oldest if not _selected(policy)), {})
    own = next((_spec(policy) for policy in oldest if _selects(policy, labels)), {})
    by_port = {str(number): mtls for number, mtls in (own.get("portLevelMtls") or {}).items()}
    found = (_mode(each) for each in (by_port.get(str(port)), own.get("mtls"), wide.get("mtls")))
    return next((mode for mode in found if mode), PERMISSIVE)


def _spec(policy: Object) -> Mapping[str, Any]:
    return policy.get("spec") or {}


def _selected(policy: Object) -> Mapping[str, str]:
    return (_spec(policy).get("selector") or {}).get("matchLabels") or {}


def _selects(policy: Object, labels: Mapping[str, str]) -> bool:
    wanted = _selected(policy)
    return bool(wanted) and wanted.items() <= labels.items()


def _mode(mtls: Mapping[str, str] | None) -> str | None:
    mode = (mtls or {}).get("mode", "UNSET")
    return None if mode == "UNSET" else mode
