"""The fields `allowedBy`, `deniedBy` and `tls`: how pods are called, and which policy decides about it."""

from __future__ import annotations

from localmesh.explain.explanation import Authorization, Hop, Reference
from localmesh.problems.fields import listed
from localmesh.route_tests.answers import answer_text
from localmesh.route_tests.observation import Observation

DEFAULT = "default"
"""What denies a request that no ALLOW policy of a workload allows."""
_MESH_DEFAULT = "the mesh's default of PeerAuthentication"
_BY_NONE = "denied because no ALLOW policy allows it"
_NOTHING = "no policy"
_NO_SIDECAR = "no pod with a sidecar is asked"


def allowed_by(expected: str, observation: Observation) -> str | None:
    """What decides otherwise, None if every called pod allows the request by this policy."""
    return _unless_all(expected, observation, denied=False)


def denied_by(expected: str, observation: Observation) -> str | None:
    """What decides otherwise, None if every called pod denies the request by this policy."""
    observed = _unless_all(expected, observation, denied=True)
    return f"{observed} (write {DEFAULT})" if observed == _BY_NONE else observed


def tls(expected: str, observation: Observation) -> str | None:
    """How pods are called otherwise, None if all are called as expected."""
    connections = [hop.connection for hop in observation.called if hop.connection is not None]
    if not connections:
        return f"{_NO_SIDECAR}; {answer_text(observation)}"
    others = dict.fromkeys(str(each.tls) for each in connections if each.tls != expected)
    return listed(others, "or") if others else None


def _unless_all(expected: str, observation: Observation, *, denied: bool) -> str | None:
    decisions = [_decision(hop) for hop in observation.called]
    if not decisions:
        return f"{_NO_SIDECAR}; {answer_text(observation)}"
    others = dict.fromkeys(
        _described(is_denied, name)
        for is_denied, name in decisions
        if is_denied is not denied or expected not in (name, name.partition("/")[2])
    )
    return listed(others, "or") if others else None


def _described(is_denied: bool, name: str) -> str:
    if name == DEFAULT and is_denied:
        return _BY_NONE
    return f"{'denied' if is_denied else 'allowed'}, by {name}"


def _decision(hop: Hop) -> tuple[bool, str]:
    """Whether a called side denies the request, and the policy that decides."""
    if hop.connection is not None and not hop.connection.accepted:
        return True, _name(hop.connection.policy) if hop.connection.policy else _MESH_DEFAULT
    if hop.tokens is not None and hop.tokens.rejected:
        return True, listed((_name(reference) for reference in hop.tokens.references), "or")
    if hop.authorization is None:
        return False, _NOTHING
    return not hop.authorization.allowed, _deciding(hop.authorization)


def _deciding(authorization: Authorization) -> str:
    if authorization.deciding is not None:
        return authorization.deciding.policy
    return _NOTHING if authorization.allowed else DEFAULT


def _name(reference: Reference) -> str:
    return f"{reference.resource.namespace}/{reference.resource.name}"
