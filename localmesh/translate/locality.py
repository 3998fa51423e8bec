"""Which endpoints a caller prefers: by locality, by labels, or by weights of localities.

istiod: pilot/pkg/networking/core/loadbalancer/loadbalancer.go. Each function changes what it is given: the
localities of a load assignment that has just been made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from localmesh.catalog import DestinationRule, Service, ServicePort, Subset
from localmesh.catalog.locality import HOSTNAME, REGION, SUBZONE, ZONE, Locality
from localmesh.translate.keys import Source

Json = dict[str, Any]
Settings = Mapping[str, Any]

_NETWORK = "topology.istio.io/network"
_PREFERENCES: Mapping[str, tuple[str, ...]] = {
    "PreferSameZone": (_NETWORK, REGION, ZONE),
    "PreferSameNode": (_NETWORK, REGION, ZONE, SUBZONE, HOSTNAME),
}
_PREFERENCES = {**_PREFERENCES, "PreferClose": _PREFERENCES["PreferSameZone"]}


@dataclass(frozen=True, slots=True)
class Preference:
    """How a caller chooses among localities.

    `settings` are a `localityLbSetting`, or with `is_zone_aware` a `zoneAwareLbSetting`; None: it does not.
    `fails_over`: whether other priorities are of use, which needs outlier detection.
    """

    settings: Settings | None = None
    fails_over: bool = False
    is_zone_aware: bool = False

    @property
    def priority_labels(self) -> Sequence[str]:
        """The labels by which endpoints are preferred (`failoverPriority`)."""
        settings = self.settings or {}
        if settings.get("distribute") or settings.get("enabled") is False or not self.fails_over:
            return ()
        return settings.get("failoverPriority") or ()

    def cluster_settings(self) -> Json:
        """The part of `commonLbConfig` for it."""
        settings = self.settings or {}
        if self.is_zone_aware:
            return {"zoneAwareLbConfig": _zone_aware(settings)}
        weighted = self.fails_over and ("failover" in settings or "failoverPriority" in settings)
        return {"localityWeightedLbConfig": {}} if weighted or settings.get("distribute") else {}


def preference(
    rule: DestinationRule | None, service: Service, port: ServicePort, subset: Subset | None, mesh: Settings
) -> Preference:
    """What applies: the DestinationRule, else the Service's `trafficDistribution`, else the mesh's."""
    policy = rule.policy_for(port.number, subset) if rule else {}
    balancer = policy.get("loadBalancer") or {}
    fails_over = "outlierDetection" in policy
    if "zoneAwareLbSetting" in balancer:
        settings = balancer["zoneAwareLbSetting"]
        return Preference(settings, settings.get("enabled") is not False, is_zone_aware=True)
    if "localityLbSetting" in balancer:
        return _unless_disabled(balancer["localityLbSetting"], fails_over=fails_over)
    if service.traffic_distribution in _PREFERENCES:
        labels = _PREFERENCES[service.traffic_distribution]
        return Preference({"failoverPriority": labels}, fails_over=True)
    return _unless_disabled(mesh, fails_over=fails_over)


def _unless_disabled(settings: Settings, *, fails_over: bool) -> Preference:
    return Preference() if settings.get("enabled") is False else Preference(settings, fails_over)


def _zone_aware(settings: Settings) -> Json:
    size = settings.get("minClusterSize")
    enabled: Json = {"routingEnabled": {}} if settings.get("enabled") is False else {}
    return {**enabled, **({"minClusterSize": size} if size is not None else {})}


# -- load assignments ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Group:
    """The endpoints of one locality, each with the labels that it has for Istio."""

    locality: Locality
    endpoints: list[tuple[Json, Mapping[str, str]]] = field(default_factory=list)
    weight: int = 0
    priority: int = 0

    def document(self) -> Json:
        """The group in a load assignment."""
        names = {"region": self.locality.region, "zone": self.locality.zone, "subZone": self.locality.subzone}
        return {
            "locality": {name: value for name, value in names.items() if value},
            **({"lbEndpoints": [endpoint for endpoint, _ in self.endpoints]} if self.endpoints else {}),
            "loadBalancingWeight": self.weight,
            **({"priority": self.priority} if self.priority else {}),
        }


Located = tuple[Json, Locality, Mapping[str, str]]
"""An endpoint with its locality and the labels that its workload has."""


@dataclass(frozen=True, slots=True)
class Chooser:
    """A caller, as far as it decides which endpoints it prefers; `labels` are there where these matter."""

    locality: Locality
    labels: tuple[tuple[str, str], ...]
    mesh_settings: Settings = field(hash=False)
    wanted: Preference = field(default=Preference(), hash=False)

    @classmethod
    def of(cls, source: Source, rule: DestinationRule | None, mesh_settings: Settings) -> Chooser:
        """A caller of a host to which the rule applies; equal for callers that choose in the same way."""
        by_labels = (rule is not None and rule.prefers_labels) or mesh_settings.get("failoverPriority")
        return cls(source.locality, source.labels if by_labels else (), mesh_settings)

    def among(
        self, service: Service, port: ServicePort, subset: Subset | None, rule: DestinationRule | None
    ) -> Chooser:
        """The same caller, with what applies to a port and subset of a Service."""
        return replace(self, wanted=preference(rule, service, port, subset, self.mesh_settings))

    def grouped(self, endpoints: Iterable[Located]) -> list[Json]:
        """The endpoints of a load assignment by locality, as the caller prefers them."""
        by_locality: dict[str, Group] = {}
        for endpoint, locality, labels in endpoints:
            group = by_locality.setdefault(locality.text, Group(locality))
            group.endpoints.append((endpoint, {**labels, **locality.topology_labels()}))
            group.weight += int(endpoint["loadBalancingWeight"])
        groups = [by_locality[text] for text in sorted(by_locality)]
        chosen = _preferred(groups, self.locality, dict(self.labels), self.wanted)
        return [group.document() for group in chosen]


def _preferred(
    groups: list[Group], caller: Locality, caller_labels: Mapping[str, str], wanted: Preference
) -> list[Group]:
    settings = wanted.settings
    if settings is not None and settings.get("distribute") and not wanted.is_zone_aware:
        _distribute(groups, caller, settings["distribute"])
        return groups
    if settings is None or not wanted.fails_over:
        return groups
    labels = wanted.priority_labels
    groups = _by_labels(groups, {**caller_labels, **caller.topology_labels()}, labels)
    if wanted.is_zone_aware:
        return _ranked(groups, 3, lambda group: _region_rank(caller, group.locality, settings))
    if labels and not settings.get("failover"):
        return groups
    return _ranked(groups, 5, lambda group: _locality_rank(caller, group.locality, settings))


def _distribute(groups: list[Group], caller: Locality, rules: Iterable[Settings]) -> None:
    """The weights of `distribute` for callers of a locality; others get what localities weigh."""
    rule = next((rule for rule in rules if _matches(caller, rule.get("from", ""))), None)
    if rule is None:
        return
    left = list(groups)
    for pattern, weight in (rule.get("to") or {}).items():
        fitting = [group for group in left if _matches(group.locality, pattern)]
        left = [group for group in left if group not in fitting]
        total = sum(group.weight for group in fitting)
        for group in fitting:
            group.weight = ceil(group.weight * weight / total) or group.weight
    for group in left:
        group.endpoints = []


def _matches(locality: Locality, pattern: str) -> bool:
    """Whether a locality is meant by `region/zone/subzone`, each of which may be `*`."""
    region, zone, subzone = Locality.parsed(pattern)
    return (
        region in ("*", locality.region)
        and zone in ("", "*", locality.zone)
        and subzone in ("", "*", locality.subzone)
    )


def _by_labels(groups: list[Group], caller: Mapping[str, str], labels: Sequence[str]) -> list[Group]:
    """The groups divided by how many of the labels, from the first, an endpoint has in common."""
    if not labels:
        return groups
    out: list[Group] = []
    for group in groups:
        ranks: dict[int, Group] = {}
        for endpoint, own in group.endpoints:
            rank = _label_rank(caller, own, labels)
            part = ranks.setdefault(rank, Group(group.locality, priority=rank))
            part.endpoints.append((endpoint, own))
            part.weight += int(endpoint["loadBalancingWeight"])
        out += [ranks[rank] for rank in sorted(ranks)]
    return _compacted(out)


def _label_rank(caller: Mapping[str, str], own: Mapping[str, str], labels: Sequence[str]) -> int:
    """0 if all agree, else the number of labels from the first that does not agree.

    Another network, if it comes first, is worse than everything else. A label may name its value, as in
    `key=value`.
    """
    elsewhere = 0
    for index, label in enumerate(labels):
        name, equals, value = label.partition("=")
        if (value if equals else caller.get(name, "")) == own.get(name, ""):
            continue
        if index == 0 and name == _NETWORK:
            elsewhere = len(labels)
            continue
        return elsewhere + len(labels) - index
    return elsewhere


def _locality_rank(caller: Locality, locality: Locality, settings: Settings) -> int:
    """0: the same subzone, 1: zone, 2: region; 3: another region, 4: one that `failover` does not name."""
    if caller.region == locality.region:
        return (0 if caller.subzone == locality.subzone else 1) if caller.zone == locality.zone else 2
    target = _failover_region(caller, settings)
    return 3 if target in (None, locality.region) else 4


def _region_rank(caller: Locality, locality: Locality, settings: Settings) -> int:
    """0: the same region, 1: the one that `failover` names, 2: any other."""
    if caller.region == locality.region:
        return 0
    return 1 if _failover_region(caller, settings) == locality.region else 2


def _failover_region(caller: Locality, settings: Settings) -> str | None:
    rules = (rule for rule in settings.get("failover") or () if rule.get("from", "") == caller.region)
    rule = next(rules, None)
    return None if rule is None else str(rule.get("to", ""))


def _ranked(groups: list[Group], ranks: int, rank: Callable[[Group], int]) -> list[Group]:
    for group in groups:
        group.priority = group.priority * ranks + rank(group)
    return _compacted(groups)


def _compacted(groups: list[Group]) -> list[Group]:
    """Priorities without gaps, as Envoy requires."""
    order = {priority: index for index, priority in enumerate(sorted({group.priority for group in groups}))}
    for group in groups:
        group.priority = order[group.priority]
    return groups
