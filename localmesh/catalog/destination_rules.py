"""DestinationRules: which one applies to a caller and a host, and its policy by subset and port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.hosts import full_host, is_wildcard, most_specific
from localmesh.catalog.objects import Objects
from localmesh.catalog.security import ROOT_NAMESPACE
from localmesh.catalog.virtual_services import exported
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.rules.istio import PRIVATE
from localmesh.manifests import Resource
from localmesh.problems import FieldPath

_BLOCKS = ("connectionPool", "outlierDetection", "loadBalancer", "tls", "retryBudget")

Policy = Mapping[str, Any]


class PolicyLevel(StrEnum):
    """The part of a DestinationRule that a setting comes from."""

    HOST = "host"
    PORT = "port"
    SUBSET = "subset"
    SUBSET_PORT = "subset port"


@dataclass(frozen=True, slots=True)
class PolicyOrigin:
    """Where a traffic policy is written: the field of a DestinationRule."""

    resource: Resource
    path: FieldPath


@dataclass(frozen=True, slots=True)
class PolicyBlock:
    """A block of a traffic policy, such as `loadBalancer`, and where it comes from."""

    settings: Policy
    level: PolicyLevel
    origin: PolicyOrigin | None


@dataclass(frozen=True, slots=True)
class Subset:
    """A named subset of the endpoints of a host, with an optional traffic policy."""

    name: str
    labels: Mapping[str, str]
    policy: Policy | None
    origin: PolicyOrigin | None = field(default=None, compare=False, repr=False)
    """Where its policy is written."""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether endpoints with these labels are part of the subset."""
        return self.labels.items() <= labels.items()


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """A DestinationRule with its host resolved; several of one namespace for one host are merged."""

    namespace: str
    name: str
    host: str
    policy: Policy | None
    subsets: tuple[Subset, ...]
    export_to: tuple[str, ...]
    is_policy: bool = False
    """Whether it is made of BackendTLSPolicies, and not written as a DestinationRule."""
    selector: Mapping[str, str] | None = None
    """The labels of the callers of its own namespace that it is for; None: it is for all callers."""
    origin: PolicyOrigin | None = field(default=None, compare=False, repr=False)
    """Where its policy is written."""

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    @property
    def tls_settings(self) -> Iterator[Mapping[str, Any]]:
        """The `tls` of the rule, its subsets and their ports."""
        return (settings["tls"] for settings in self._policies() if settings.get("tls"))

    @property
    def prefers_labels(self) -> bool:
        """Whether callers prefer endpoints that have certain labels in common with them."""
        balancers = [settings.get("loadBalancer") or {} for settings in self._policies()]
        names = ("localityLbSetting", "zoneAwareLbSetting")
        return any(
            (balancer.get(name) or {}).get("failoverPriority") for balancer in balancers for name in names
        )

    def _policies(self) -> Iterator[Policy]:
        """The policies of the rule, its subsets and their ports."""
        for policy in (self.policy, *(subset.policy for subset in self.subsets)):
            yield from (policy or {}, *((policy or {}).get("portLevelSettings") or ()))

    def subset(self, name: str) -> Subset | None:
        """The subset of that name, or None."""
        return next((subset for subset in self.subsets if subset.name == name), None)

    def policy_for(self, port: int, subset: Subset | None = None) -> Policy:
        """The traffic policy of a port and subset."""
        return {name: block.settings for name, block in self.blocks_for(port, subset).items()}

    def blocks_for(self, port: int, subset: Subset | None = None) -> Mapping[str, PolicyBlock]:
        """The blocks of the traffic policy of a port and subset.

        Port-level settings replace everything for their port; a subset's blocks replace the rule's
        block by block (Istio, "Destination Rule", `TrafficPolicy.portLevelSettings` and `Subset`).
        """
        of_rule = _for_port(self.policy, port, self.origin, PolicyLevel.HOST, PolicyLevel.PORT)
        if subset is None or subset.policy is None:
            return of_rule
        own = _for_port(subset.policy, port, subset.origin, PolicyLevel.SUBSET, PolicyLevel.SUBSET_PORT)
        if _settings_for(subset.policy, port) is not None:
            return own
        return {**of_rule, **own}


def _settings_for(policy: Policy, port: int) -> tuple[int, Policy] | None:
    """The settings for a port, with their place among `portLevelSettings`."""
    for index, setting in enumerate(policy.get("portLevelSettings") or ()):
        if (setting.get("port") or {}).get("number") == port:
            return index, setting
    return None


def _for_port(
    policy: Policy | None, port: int, origin: PolicyOrigin | None, level: PolicyLevel, port_level: PolicyLevel
) -> Mapping[str, PolicyBlock]:
    """The blocks of a policy for a port."""
    own = _settings_for(policy or {}, port)
    if own is not None:
        index, policy = own
        level = port_level
        if origin is not None:
            origin = PolicyOrigin(origin.resource, origin.path / "portLevelSettings" / index)
    return {
        block: PolicyBlock(
            policy[block], level, origin and PolicyOrigin(origin.resource, origin.path / block)
        )
        for block in _BLOCKS
        if policy is not None and block in policy
    }


POLICY_PARENTS = "internal.istio.io/parents"
"""The annotation of DestinationRules that are made of BackendTLSPolicies, as in istiod."""


def destination_rules(objects: Objects, conversions: ConversionCache) -> tuple[DestinationRule, ...]:
    """The DestinationRules, oldest first, those of one namespace for one host merged into the first.

    Rules for different callers (`workloadSelector`) are not merged.
    """
    merged: dict[tuple[str, str, frozenset[tuple[str, str]] | None], DestinationRule] = {}
    for resource in objects.of(DESTINATION_RULE):
        rule = conversions.of(resource, _destination_rule)
        callers = None if rule.selector is None else frozenset(rule.selector.items())
        key = (rule.namespace, rule.host, callers)
        merged[key] = _merge(merged[key], rule) if key in merged else rule
    return tuple(merged.values())


def _destination_rule(resource: Resource) -> DestinationRule:
    spec = resource.spec
    path = FieldPath("spec")
    selector = spec.get("workloadSelector")
    return DestinationRule(
        is_policy=POLICY_PARENTS in resource.annotations,
        namespace=resource.namespace,
        name=resource.name,
        host=full_host(spec["host"], resource.namespace),
        policy=spec.get("trafficPolicy"),
        subsets=tuple(
            Subset(
                subset["name"],
                dict(subset.get("labels") or {}),
                subset.get("trafficPolicy"),
                PolicyOrigin(resource, path / "subsets" / index / "trafficPolicy"),
            )
            for index, subset in enumerate(spec.get("subsets") or ())
        ),
        # a rule for certain callers is never exported, as in istiod (push_context.go, `setDestinationRules`)
        export_to=tuple(spec.get("exportTo") or ()) if selector is None else (PRIVATE,),
        selector=None if selector is None else dict(selector.get("matchLabels") or {}),
        origin=PolicyOrigin(resource, path / "trafficPolicy"),
    )


def _merge(first: DestinationRule, other: DestinationRule) -> DestinationRule:
    known = {subset.name for subset in first.subsets}
    added = tuple(subset for subset in other.subsets if subset.name not in known)
    subsets = first.subsets + added
    if first.is_policy != other.is_policy and first.policy and other.policy:
        written, attached = (other, first) if first.is_policy else (first, other)
        policy = _over(written.policy or {}, attached.policy or {})
        return replace(written, policy=policy, subsets=subsets)
    writer = first if first.policy else other
    return replace(first, policy=writer.policy, origin=writer.origin, subsets=subsets)


def _over(written: Policy, attached: Policy) -> Policy:
    """A written traffic policy over that of a BackendTLSPolicy: block by block, also for each port."""
    ports = {entry["port"]["number"]: entry for entry in attached.get("portLevelSettings") or ()}
    for entry in written.get("portLevelSettings") or ():
        number = entry["port"]["number"]
        ports[number] = {**ports.get(number, {}), **entry}
    merged = {**attached, **written}
    return {**merged, "portLevelSettings": list(ports.values())} if ports else merged


class RuleIndex:
    """DestinationRules by caller and host."""

    def __init__(self, rules: Iterable[DestinationRule], root: str = ROOT_NAMESPACE) -> None:
        self.rules = tuple(rules)
        self._root = root
        self._own = _ByHost(rule for rule in self.rules if self._applies_at_home(rule))
        self._exported = _ByHost(rule for rule in self.rules if not _is_private(rule))

    def rule_for(
        self, *, host: str, caller: str, labels: Mapping[str, str], owner: str | None
    ) -> DestinationRule | None:
        """The rule that a proxy in namespace `caller` applies to `host`, a Service of namespace `owner`.

        Looked up in the caller's namespace, then among what the Service's namespace exports, then among
        what the root namespace exports; in each of these the most specific host wins (Istio, "Destination
        Rule", `exportTo`). A rule that is not exported to its own namespace does not apply there.
        """
        own = self._own.find(caller, host)
        if own:
            return _for_caller(own, labels)
        for namespace in (owner, self._root):
            for rule in self._exported.find(namespace, host) if namespace else ():
                if exported(rule.export_to, rule.namespace, caller):
                    return rule
        return None

    def _applies_at_home(self, rule: DestinationRule) -> bool:
        """Whether the rule takes precedence for callers in its own namespace.

        In the root namespace only a private rule does: a catch-all there is meant for the mesh, and would
        hide all others from the ingress gateway.
        """
        if rule.namespace == self._root:
            return _is_private(rule)
        return exported(rule.export_to, rule.namespace, rule.namespace)


def _for_caller(rules: Sequence[DestinationRule], labels: Mapping[str, str]) -> DestinationRule | None:
    """Of the rules of one namespace for a host, the one for a caller with these labels.

    istiod: pilot/pkg/model/sidecar.go, `DestinationRule`.
    """
    selecting = (rule for rule in rules if rule.selector is not None)
    own = next((rule for rule in selecting if (rule.selector or {}).items() <= labels.items()), None)
    return own or next((rule for rule in rules if rule.selector is None), None)


def _is_private(rule: DestinationRule) -> bool:
    return len(rule.export_to) == 1 and rule.export_to[0] in (".", rule.namespace)


class _ByHost:
    """Rules of each namespace, by host."""

    def __init__(self, rules: Iterable[DestinationRule]) -> None:
        self._exact: dict[tuple[str, str], list[DestinationRule]] = {}
        self._wildcards: dict[str, dict[str, list[DestinationRule]]] = {}
        for rule in rules:
            if is_wildcard(rule.host):
                self._wildcards.setdefault(rule.namespace, {}).setdefault(rule.host, []).append(rule)
            else:
                self._exact.setdefault((rule.namespace, rule.host), []).append(rule)

    def find(self, namespace: str, host: str) -> Sequence[DestinationRule]:
        """The rules of a namespace with the most specific host."""
        exact = self._exact.get((namespace, host))
        if exact is not None:
            return exact
        wildcards = self._wildcards.get(namespace, {})
        pattern = most_specific(host, wildcards)
        return wildcards[pattern] if pattern else ()
