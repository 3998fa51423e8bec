"""User routing: a header identifies a user's group, and the mesh routes by it, at the edge and inside.

The load is the page (GET /), for which the gateway chooses a version of frontend, and sentences (POST
/sentiment), for which webapp's sidecar chooses a version of logic. The sidecar sees the header only if
webapp propagates it, so the second half proves the services' propagation, too.

The group changes every few requests, in a fixed order, so that all groups meet the same mesh at the same
time. Members of a group must be routed as the group's route says, without exception if that is one version.
Others are routed by chance, and judged by the exact interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import Call, NotConfigured, Resources
from loadgen.meshstate.split import Shares, shares_at_gateway, shares_in_mesh
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design, trials_for
from loadgen.statistics.judge import Check, Count
from loadgen.statistics.judge import judge as judge_share

HEADER = "user-group"
MEMBERS = ("internal", "external")
OTHERS = "others"
GROUPS = (*MEMBERS, OTHERS)
REMEDY = remedy("user-routing")

DETECTED_SHARE = 0.06
MEMBERS_REQUESTS = 300
"""For each group with its own route: one answer in 66 from another version would be detected."""
CYCLES = 100
"""How often the order of the groups repeats."""
CONNECTIONS = {"frontend": 16, "logic": 112}
"""At logic internal users get the faulty version, whose hanging requests occupy connections."""

ByGroup = Mapping[str, Shares]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a route decides: the service whose version it chooses, and the request that leads there."""

    name: str
    service: str
    request: Request
    shares: Callable[[Resources, Mapping[str, str]], Shares]


def _at_the_edge(resources: Resources, headers: Mapping[str, str]) -> Shares:
    return shares_at_gateway(resources, "frontend", Call("GET", "/", headers))


def _inside(resources: Resources, headers: Mapping[str, str]) -> Shares:
    call = Call("POST", "/analyse/sentiment", headers)
    return shares_in_mesh(resources, "logic", call, caller="webapp")


EDGE = Place("edge", "frontend", Request("GET", "/"), _at_the_edge)
INSIDE = Place("inside", "logic", sentiment_requests()[0], _inside)
PLACES = (EDGE, INSIDE)


def read(resources: Resources) -> dict[str, ByGroup]:
    """The shares of each group at each place."""
    return {place.name: read_place(resources, place) for place in PLACES}


def read_place(resources: Resources, place: Place) -> ByGroup:
    """The shares of each group; raises NotConfigured if nothing depends on the group."""
    shares = {group: place.shares(resources, headers_of(group)) for group in GROUPS}
    if all(shares[group].shares == shares[OTHERS].shares for group in MEMBERS):
        where = shares[OTHERS].where
        raise NotConfigured(f"{where} routes {place.service} regardless of the header {HEADER}; {REMEDY}")
    return shares


def headers_of(group: str) -> Mapping[str, str]:
    """The header that identifies a member of the group."""
    return {} if group == OTHERS else {HEADER: group}


def facts(expectation: Mapping[str, ByGroup]) -> dict[str, str]:
    """The shares, for the report."""
    return {
        f"configured, {place}": "; ".join(
            f"{group} " + ", ".join(f"{version} {percent(share)}" for version, share in by.shares.items())
            for group, by in by_group.items()
        )
        for place, by_group in expectation.items()
    }


def load_plan(place: Place, by_group: ByGroup) -> LoadPlan:
    """The requests of all groups, in a fixed order that repeats."""
    of_members = math.ceil(MEMBERS_REQUESTS / CYCLES)
    needed = max(trials_for(share, DETECTED_SHARE) for share in by_group[OTHERS].shares.values())
    order = [group for group in MEMBERS for _ in range(of_members)]
    order += [OTHERS] * max(of_members, math.ceil(needed / CYCLES))
    requests = tuple(
        replace(place.request, headers=(*place.request.headers, *headers_of(group).items()))
        for group in order
    )
    count, connections = len(requests) * CYCLES, CONNECTIONS[place.service]
    return LoadPlan(requests, count, connections, timeout_seconds=20, purpose=place.name)


def measure(context: ProofContext, expectation: Mapping[str, ByGroup]) -> dict[str, Measurement]:
    """Send as members of all groups, at one place after the other."""
    return {place.name: context.send(load_plan(place, expectation[place.name])) for place in PLACES}


def judge(expectation: Mapping[str, ByGroup], measurements: Mapping[str, Measurement]) -> list[Check]:
    """The checks of both places."""
    return [
        check
        for place in PLACES
        for check in judge_place(place, expectation[place.name], measurements[place.name])
    ]


def judge_place(place: Place, by_group: ByGroup, measurement: Measurement) -> list[Check]:
    """For each group and version whether it got the configured share."""
    plan = load_plan(place, by_group)
    groups = [dict(request.headers).get(HEADER, OTHERS) for request in plan.requests]
    checks = []
    for group in GROUPS:
        own = Measurement(
            [one for one in measurement.observations if groups[one.number % len(groups)] == group]
        )
        observed = own.versions_of(place.service)
        planned = measurement.planned // len(groups) * groups.count(group)
        checks += [
            judge_share(
                f"{place.name}: {group} to {version}",
                f"{percent(share)} of {group}",
                design(share, planned),
                Count(observed.get(version, 0), len(own), observed.get(None, 0)),
            )
            for version, share in by_group[group].shares.items()
        ]
    return checks


PROOF = Proof(
    scenario="user-routing",
    proves="each user group gets its version, at the gateway and two hops deeper",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
