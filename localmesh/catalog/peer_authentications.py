"""PeerAuthentication: whether a workload takes mTLS, plain text, or both (Istio, "Peer Authentication")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from localmesh.catalog.destination_rules import ROOT_NAMESPACE
from localmesh.catalog.policy_scope import PolicyScope, oldest_first, scope
from localmesh.manifests import Resource


class MutualTls(Enum):
    """What a port accepts."""

    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"
    DISABLE = "DISABLE"


@dataclass(frozen=True, slots=True)
class PeerAuthentication:
    """One object; a mode of None is inherited from the next wider scope."""

    scope: PolicyScope
    mode: MutualTls | None
    ports: Mapping[int, MutualTls | None]


@dataclass(frozen=True, slots=True)
class PeerAuthentications:
    """All of them, oldest first: in each scope the oldest counts and the others are ignored."""

    policies: tuple[PeerAuthentication, ...] = ()

    def __hash__(self) -> int:
        return len(self.policies)

    def mode(self, namespace: str, labels: Mapping[str, str], port: int) -> MutualTls:
        """What a container port of a workload accepts; PERMISSIVE where nothing is written."""
        mode = self.namespace_mode(namespace)
        own = self._workload_policy(namespace, labels)
        if own is None:
            return mode
        return own.ports.get(port) or own.mode or mode

    def namespace_mode(self, namespace: str) -> MutualTls:
        """What workloads of a namespace accept where no policy with a selector says otherwise."""
        wide = [policy for policy in self.policies if not policy.scope.labels]
        for place in (namespace, ROOT_NAMESPACE):
            policy = next((each for each in wide if each.scope.namespace == place), None)
            if policy is not None and policy.mode is not None:
                return policy.mode
        return MutualTls.PERMISSIVE

    def _workload_policy(self, namespace: str, labels: Mapping[str, str]) -> PeerAuthentication | None:
        """The oldest with a selector; in the root namespace those count for nothing, even there."""
        if namespace == ROOT_NAMESPACE:
            return None
        return next(
            (
                policy
                for policy in self.policies
                if policy.scope.labels
                and policy.scope.namespace == namespace
                and policy.scope.selects(labels)
            ),
            None,
        )


def peer_authentications(resources: Iterable[Resource]) -> PeerAuthentications:
    """The PeerAuthentications among these resources."""
    return PeerAuthentications(
        tuple(
            PeerAuthentication(
                scope=scope(resource),
                mode=_mode(resource.spec.get("mtls")),
                ports={
                    int(port): _mode(settings)
                    for port, settings in (resource.spec.get("portLevelMtls") or {}).items()
                },
            )
            for resource in oldest_first(resources, "PeerAuthentication")
        )
    )


def _mode(settings: Mapping[str, Any] | None) -> MutualTls | None:
    mode = (settings or {}).get("mode", "UNSET")
    return None if mode == "UNSET" else MutualTls(mode)
