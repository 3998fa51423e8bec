"""The policies in force that decide who is let in."""

from __future__ import annotations

from dataclasses import dataclass

from loadgen.inforce.api import MeshApi, Object

SECURITY = "security.istio.io/v1"


@dataclass(frozen=True, slots=True)
class Policies:
    """The security objects of one namespace."""

    authorization: tuple[Object, ...] = ()
    request_authentication: tuple[Object, ...] = ()


def policies(api: MeshApi) -> Policies:
    """What is in force now."""
    return Policies(
        authorization=api.objects(SECURITY, "authorizationpolicies"),
        request_authentication=api.objects(SECURITY, "requestauthentications"),
    )


def holds_for(policy: Object, app: str) -> bool:
    """Whether a policy holds for the pods of a service: its selector names their `app`, or is not there."""
    labels = ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    return bool(labels.get("app", app) == app)
