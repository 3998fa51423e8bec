"""Who may call whom: identities, AuthorizationPolicies, RequestAuthentications and PeerAuthentications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from localmesh.catalog.objects import Objects
from localmesh.catalog.trust import DEFAULT_TRUST, Trust
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.peer_authentication import PEER_AUTHENTICATION
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.manifests import Resource
from localmesh.problems import FieldPath

ROOT_NAMESPACE = "istio-system"
"""Istio's default of the namespace whose policies, Sidecars and DestinationRules apply to the whole mesh."""

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
"""The label that the pods of a Gateway of the Kubernetes Gateway API have."""

_MTLS = FieldPath("spec", "mtls", "mode")
_DRY_RUN = "istio.io/dry-run"

JwtRule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PolicyScope:
    """The workloads that a policy selects; without labels these are all in its reach.

    A policy in the root namespace reaches all namespaces, any other its own
    (Istio, "Authorization Policy", `selector`). One that names `gateways` of the Kubernetes Gateway API is
    for their pods alone (istiod: pilot/pkg/model/policyattachment.go).
    """

    namespace: str
    labels: Mapping[str, str]
    gateways: frozenset[str] | None = None
    root: str = ROOT_NAMESPACE
    """The root namespace of the mesh."""

    @property
    def is_of_mesh(self) -> bool:
        """Whether the policy is in the root namespace."""
        return self.namespace == self.root

    def includes(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a workload of that namespace with these labels is selected."""
        return self.reaches(namespace) and self.selects(labels)

    def reaches(self, namespace: str) -> bool:
        """Whether workloads of that namespace can be selected."""
        if self.gateways is not None:
            return self.namespace == namespace
        return self.namespace in (namespace, self.root)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether the selector matches these labels, in whichever namespace."""
        if self.gateways is not None:
            return labels.get(GATEWAY_NAME) in self.gateways
        return self.labels.items() <= labels.items()


def policy_scope(policy: Resource, root: str = ROOT_NAMESPACE) -> PolicyScope:
    """The scope of a policy with a `selector` or `targetRefs`; `root` is the mesh's root namespace."""
    spec = policy.spec
    references = spec.get("targetRefs") or ([spec["targetRef"]] if spec.get("targetRef") else None)
    if references is not None:
        names = frozenset(reference["name"] for reference in references if reference["kind"] == "Gateway")
        return PolicyScope(policy.namespace, {}, names, root)
    selector = spec.get("selector") or {}
    return PolicyScope(policy.namespace, dict(selector.get("matchLabels") or {}), root=root)


class Action(Enum):
    """What a policy does with a request that one of its rules matches; evaluated in this order."""

    CUSTOM = "CUSTOM"
    AUDIT = "AUDIT"
    DENY = "DENY"
    ALLOW = "ALLOW"


@dataclass(frozen=True, slots=True)
class AuthorizationPolicy:
    """One policy; without rules it matches nothing, so that an ALLOW policy then denies everything."""

    namespace: str
    name: str
    action: Action
    scope: PolicyScope
    rules: tuple[Mapping[str, Any], ...]
    dry_run: bool = False
    provider: str = ""
    """The authorizer that a CUSTOM policy asks."""

    @property
    def ports(self) -> frozenset[int]:
        """The ports that its rules name: those of the workload, whether or not a Service sends to them."""
        return frozenset(int(port) for rule in self.rules for port in _ports(rule))


def _ports(rule: Mapping[str, Any]) -> Iterator[str]:
    for target in rule.get("to") or ():
        operation = target.get("operation") or {}
        yield from (*(operation.get("ports") or ()), *(operation.get("notPorts") or ()))
    for condition in rule.get("when") or ():
        if condition["key"] == "destination.port":
            yield from (*(condition.get("values") or ()), *(condition.get("notValues") or ()))


def authorization_policies(
    objects: Objects, trust: Trust = DEFAULT_TRUST, root: str = ROOT_NAMESPACE
) -> tuple[AuthorizationPolicy, ...]:
    """The AuthorizationPolicies, oldest first, with the principals of all trust domains."""
    return tuple(
        AuthorizationPolicy(
            namespace=resource.namespace,
            name=resource.name,
            action=Action(resource.spec.get("action", "ALLOW")),
            scope=policy_scope(resource, root),
            rules=tuple(trust.rule(rule or {}) for rule in resource.spec.get("rules") or ()),
            dry_run=resource.annotations.get(_DRY_RUN, "").lower() in ("true", "t", "1"),
            provider=(resource.spec.get("provider") or {}).get("name", ""),
        )
        for resource in objects.of(AUTHORIZATION_POLICY)
    )


def policies_for(
    policies: Iterable[AuthorizationPolicy], namespace: str, labels: Mapping[str, str]
) -> list[AuthorizationPolicy]:
    """The policies that apply to a workload: the root namespace's first, then its own namespace's."""
    selecting = [policy for policy in policies if policy.scope.includes(namespace, labels)]
    return sorted(selecting, key=lambda policy: not policy.scope.is_of_mesh)


@dataclass(frozen=True, slots=True)
class RequestAuthentication:
    """One object: its scope and its rules, one per issuer."""

    namespace: str
    scope: PolicyScope
    rules: tuple[JwtRule, ...]


def request_authentications(
    objects: Objects, root: str = ROOT_NAMESPACE
) -> tuple[RequestAuthentication, ...]:
    """The RequestAuthentications, oldest first."""
    return tuple(
        RequestAuthentication(
            resource.namespace, policy_scope(resource, root), tuple(resource.spec.get("jwtRules") or ())
        )
        for resource in objects.of(REQUEST_AUTHENTICATION)
    )


def jwt_rules_for(
    authentications: Iterable[RequestAuthentication], namespace: str, labels: Mapping[str, str]
) -> list[JwtRule]:
    """All rules that apply to a workload, by issuer; of one issuer the root namespace's come first."""
    selecting = [policy for policy in authentications if policy.scope.includes(namespace, labels)]
    selecting.sort(key=lambda policy: not policy.scope.is_of_mesh)
    return sorted(
        (rule for policy in selecting for rule in policy.rules), key=lambda rule: str(rule.get("issuer", ""))
    )


class MutualTls(Enum):
    """What a port accepts: mTLS, plain text, or both."""

    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"
    DISABLE = "DISABLE"


@dataclass(frozen=True, slots=True)
class PeerAuthentication:
    """One object; a mode of None is inherited from the next wider scope."""

    scope: PolicyScope
    mode: MutualTls | None
    ports: Mapping[int, MutualTls | None]
    resource: Resource | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PeerDecision:
    """What a port accepts, and the object and field that say so; None for the mesh's default."""

    mode: MutualTls
    resource: Resource | None = None
    path: FieldPath = _MTLS


@dataclass(frozen=True, slots=True)
class PeerAuthentications:
    """All of them, oldest first: in each scope the oldest counts and the others are ignored."""

    policies: tuple[PeerAuthentication, ...] = ()
    root: str = ROOT_NAMESPACE
    """The root namespace of the mesh."""

    def __hash__(self) -> int:
        return len(self.policies)

    def mode(self, namespace: str, labels: Mapping[str, str], port: int) -> MutualTls:
        """What a container port of a workload accepts; PERMISSIVE by default."""
        return self.decision(namespace, labels, port).mode

    def decision(self, namespace: str, labels: Mapping[str, str], port: int) -> PeerDecision:
        """What a container port of a workload accepts, with the object that decides it."""
        own = self._workload_policy(namespace, labels)
        if own is not None:
            of_port = own.ports.get(port)
            if of_port is not None:
                path = FieldPath("spec", "portLevelMtls", str(port), "mode")
                return PeerDecision(of_port, own.resource, path)
            if own.mode is not None:
                return PeerDecision(own.mode, own.resource)
        return self._wide_decision(namespace)

    def namespace_mode(self, namespace: str) -> MutualTls:
        """What workloads of a namespace accept unless a policy with a selector applies to them."""
        return self._wide_decision(namespace).mode

    def _wide_decision(self, namespace: str) -> PeerDecision:
        wide = [policy for policy in self.policies if not policy.scope.labels]
        for owner in (namespace, self.root):
            policy = next((policy for policy in wide if policy.scope.namespace == owner), None)
            if policy is not None and policy.mode is not None:
                return PeerDecision(policy.mode, policy.resource)
        return PeerDecision(MutualTls.PERMISSIVE)

    def _workload_policy(self, namespace: str, labels: Mapping[str, str]) -> PeerAuthentication | None:
        """The oldest with a selector; in the root namespace these apply to no workload, even there."""
        if namespace == self.root:
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


def peer_authentications(objects: Objects, root: str = ROOT_NAMESPACE) -> PeerAuthentications:
    """The PeerAuthentications."""
    return PeerAuthentications(
        tuple(
            PeerAuthentication(
                scope=policy_scope(resource, root),
                mode=_mode(resource.spec.get("mtls")),
                ports={
                    int(port): _mode(settings)
                    for port, settings in (resource.spec.get("portLevelMtls") or {}).items()
                },
                resource=resource,
            )
            for resource in objects.of(PEER_AUTHENTICATION)
        ),
        root,
    )


def _mode(settings: Mapping[str, Any] | None) -> MutualTls | None:
    mode = (settings or {}).get("mode", "UNSET")
    return None if mode == "UNSET" else MutualTls(mode)
