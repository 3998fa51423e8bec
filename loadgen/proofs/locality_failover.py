"""Locality failover: callers use their own region, and the one that `failover` names while that one fails.

It is outlier detection in which the ejected pods are all those of the caller's region, so that proof is part
of this one. What is added is the order: the own region gets everything until its pods are ejected, the named
region gets everything while they are, and no other region gets anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadgen.measurement.measurement import Observation
from loadgen.measurement.quality import Quality
from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.resources import pod_labels
from loadgen.proofs import outlier_detection
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.proofs.outlier_detection import SERVICE, Ejection, Observed
from loadgen.statistics.design import design
from loadgen.statistics.judge import Cause, Check, Count, unless
from loadgen.statistics.judge import judge as judge_share

CALLER = "webapp"
LOCALITY = "istio-locality"
REMEDY = remedy("locality-failover")


@dataclass(frozen=True, slots=True)
class Failover:
    """The policy, the caller's region and the one that comes next, and the versions in both."""

    ejection: Ejection
    region: str
    next_region: str
    own: tuple[str, ...]
    next: tuple[str, ...]

    def is_own(self, one: Observation) -> bool:
        """Whether the caller's region answered."""
        return one.version_of(SERVICE) in self.own

    def is_next(self, one: Observation) -> bool:
        """Whether the region that comes next answered."""
        return one.version_of(SERVICE) in self.next


def read(resources: Resources) -> Failover:
    """The failover of the caller's region. Raises NotConfigured or UnsupportedConfig."""
    rules = dict(_failover(resources))
    if not rules:
        raise NotConfigured(f"no DestinationRule of {SERVICE} has localityLbSetting.failover; {REMEDY}")
    region = _region(resources)
    if region not in rules:
        raise NotConfigured(f"failover names no region for {region or 'pods without one'}; {REMEDY}")
    ejection = outlier_detection.read(resources)
    failover = Failover(
        ejection,
        region,
        rules[region],
        _versions_in(resources, region),
        _versions_in(resources, rules[region]),
    )
    if not failover.next:
        raise NotConfigured(f"no version of {SERVICE} is in {failover.next_region}; {REMEDY}")
    if set(failover.own) != set(ejection.sick):
        raise UnsupportedConfig(f"the versions in {region} must be those that fail at every request")
    return failover


def _failover(resources: Resources) -> list[tuple[str, str]]:
    balancers = (
        (rule["spec"].get("trafficPolicy") or {}).get("loadBalancer") or {}
        for rule in resources.rules_of(SERVICE)
    )
    rules = ((one.get("localityLbSetting") or {}).get("failover") or () for one in balancers)
    return [(rule["from"], rule["to"]) for of_rule in rules for rule in of_rule]


def _region(resources: Resources) -> str:
    """The region of the caller, "" if its pods have none."""
    return next(map(_region_of, map(pod_labels, resources.deployments_with({"app": CALLER}))), "")


def _versions_in(resources: Resources, region: str) -> tuple[str, ...]:
    labels = map(pod_labels, resources.deployments_with({"app": SERVICE}))
    return tuple(sorted(one["version"] for one in labels if _region_of(one) == region))


def _region_of(labels: Mapping[str, str]) -> str:
    return labels.get(LOCALITY, "").partition(".")[0]


def facts(failover: Failover) -> dict[str, str]:
    """The order of the regions, and the policy of ejection."""
    order = f"{failover.region} ({', '.join(failover.own)}), then {failover.next_region}"
    return {"regions": f"{order} ({', '.join(failover.next)})", **outlier_detection.facts(failover.ejection)}


def measure(context: ProofContext, failover: Failover) -> Observed:
    """Send until the pods of the own region must be ejected, then until one is back.

    At first one request after the other: of several at once, some would be sent after the ejection, but
    before its cause is known here.
    """
    return outlier_detection.measure(context, failover.ejection, at_first=1)


def findings(failover: Failover, observed: Observed) -> dict[str, str]:
    """When the own region was back."""
    return outlier_detection.findings(failover.ejection, observed)


def quality(failover: Failover, observed: Observed) -> Quality:
    """As for the ejection."""
    return outlier_detection.quality(failover.ejection, observed)


def judge(failover: Failover, observed: Observed) -> list[Check]:
    """Who answered when, and the ejection itself.

    On a slow machine a pod misses its readiness probes, so that the next region answers; but never a third.
    """
    ejection = failover.ejection
    everything = [*observed.until_ejected.observations, *observed.after.observations]
    third = sum(not failover.is_own(one) and not failover.is_next(one) for one in everything)
    planned = outlier_detection.planned_during(ejection)
    measured = quality(failover, observed)
    checks = [
        unless(_own_first(failover, observed), Cause.BUSY, measured.busy),
        judge_share("a third region", "none", design(0.0, planned), Count(third, len(everything))),
    ]
    checks = [unless(check, Cause.FOREIGN_TRAFFIC, measured.foreign) for check in checks]
    return [*checks, *outlier_detection.judge(ejection, observed)]


def _own_first(failover: Failover, observed: Observed) -> Check:
    """Whether the own region got everything until it had failed too often.

    Counted from its first answer: the pods may still have been ejected because of an earlier proof.
    """
    answers = list(observed.until_ejected.observations)
    own = [index for index, one in enumerate(answers) if failover.is_own(one)]
    # the next request may be on its way already when the last tolerated failure comes back
    since = answers[own[0] : own[: failover.ejection.failures][-1] + 1] if own else []
    count = Count(sum(not failover.is_own(one) for one in since), len(since))
    plan = design(0.0, failover.ejection.failures)
    return judge_share(f"not {failover.region} at first", "none", plan, count)


PROOF = Proof(
    scenario="locality-failover",
    proves="callers use their own region, and the one that failover names while their own one fails",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=findings,
    quality=quality,
)
