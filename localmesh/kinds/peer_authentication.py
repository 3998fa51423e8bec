"""PeerAuthentication: its record and what Istio requires of it (istio: ValidatePeerAuthentication)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.kind import SECURITY, SECURITY_VERSIONS, Kind
from localmesh.kinds.rules.istio import policy_selector
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field


def ports(root: Field) -> Iterator[Problem]:
    """Ports are valid, and only set for selected workloads: those of a namespace share no ports."""
    spec = root.get("spec")
    by_port = spec.get("portLevelMtls")
    if by_port and not len(by_port):
        yield by_port.problem(invalid.EMPTY_BLOCK, expected="a port")
    if len(by_port) and not len(spec.get("selector", "matchLabels")):
        yield by_port.problem(
            invalid.BAD_POLICY,
            found="portLevelMtls in a policy without a selector",
            expected="a selector",
            remedy="add spec.selector.matchLabels",
        )
    for port, settings in by_port.entries():
        if not str(port).isdecimal() or not 1 <= int(port) <= 65535:
            yield settings.problem(
                invalid.BAD_PORT,
                found=port,
                expected="a container port from 1 to 65535",
                remedy="write the number of a port of the container",
            )


PEER_AUTHENTICATION = Kind(
    group=SECURITY,
    name="PeerAuthentication",
    versions=SECURITY_VERSIONS,
    plural="peerauthentications",
    short_names=("pa",),
    rules=(policy_selector, ports),
)
