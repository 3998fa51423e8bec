"""Policies that select nothing, or that mean something else on one machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localmesh.analysis.world import World
from localmesh.manifests.resources import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field

_ROOT = "istio-system"
_KINDS = ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")
_ADDRESSES = ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")
_ADDRESS_KEYS = frozenset({"source.ip", "remote.ip", "destination.ip"})
_GATEWAY = {"istio": "ingressgateway", "app": "istio-ingressgateway"}


def policies(world: World) -> Iterator[Problem]:
    """A security policy whose selector fits no workload in its reach."""
    for kind in _KINDS:
        for policy in world.all(kind):
            wanted = policy.root.get("spec", "selector", "matchLabels")
            reach = list(_in_reach(policy, world))
            if not isinstance(wanted.value, dict) or not wanted.value or not reach:
                continue
            if not any(wanted.value.items() <= labels.items() for labels in reach):
                known = "; ".join(sorted({_shown(labels) for labels in reach}))
                yield wanted.problem(warnings.POLICY_WITHOUT_PODS, found=_shown(wanted.value), known=known)


def local_meanings(world: World) -> Iterator[Problem]:
    """Addresses in an AuthorizationPolicy, and notes that nobody takes."""
    for policy in world.all("AuthorizationPolicy"):
        spec = policy.root.get("spec")
        if spec.get("action").text == "AUDIT":
            reason, remedy = "nobody keeps the notes of a policy that only audits", "remove the policy"
            yield spec.get("action").problem(warnings.DIFFERENT_HERE, reason=reason, remedy=remedy)
        for field in _addresses(spec):
            reason = "every process of the mesh has the address 127.0.0.1"
            remedy = "name the callers by principals or namespaces"
            yield field.problem(warnings.DIFFERENT_HERE, reason=reason, remedy=remedy)


def _addresses(spec: Field) -> Iterator[Field]:
    for rule in spec.get("rules").items():
        for origin in rule.get("from").items():
            blocks = (origin.get("source", name) for name in _ADDRESSES)
            yield from (block for block in blocks if len(block))
        keys = (condition.get("key") for condition in rule.get("when").items())
        yield from (key for key in keys if key.text in _ADDRESS_KEYS)


def _in_reach(policy: Resource, world: World) -> Iterator[Mapping[str, str]]:
    """The labels of all pods that a policy could select; the root namespace reaches everywhere."""
    everywhere = policy.namespace == _ROOT
    for deployment in world.all("Deployment"):
        if everywhere or deployment.namespace == policy.namespace:
            labels = deployment.root.get("spec", "template", "metadata", "labels").value
            yield labels if isinstance(labels, dict) else {}
    if everywhere:
        yield _GATEWAY
        for gateway in world.all("Gateway"):
            yield gateway.spec.get("selector") or {}


def _shown(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
