"""User routing: a header says who somebody is, and the mesh decides by it, at its edge and deep inside.

What is sent: the page (GET /), for which the gateway chooses a version of frontend, and sentences (POST
/sentiment), for which the sidecar of webapp chooses a version of logic. The sidecar sees the header only if
webapp passes it on: so the second half proves the services' propagation, too.

Every few requests the group changes, in a fixed order, so that all groups meet the same mesh at the same
time. Who belongs to a group must be routed as the group's route says, without exception if that is one
version; who belongs to none is routed by chance, and judged by the exact interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.shares import Shares, shares_at_gateway, shares_in_mesh
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design, trials_for
from loadgen.statistics.judge import Check, Count, judge

HEADER = "user-group"
MEMBERS = ("internal", "external")
OTHERS = "others"
GROUPS = (*MEMBERS, OTHERS)
REMEDY = remedy("user-routing")

NOTICED_SHARE = 0.06
MEMBERS_REQUESTS = 300
"""For each group with a route of its own: one answer in 66 from another version would be noticed."""
CYCLES = 100
"""How often the order of the groups repeats."""
CONNECTIONS = {"frontend": 16, "logic": 112}
"""At logic the internal users meet the faulty version, whose hanging requests hold connections."""

ByGroup = Mapping[str, Shares]


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere that decides: the service it chooses a version of, and the request that leads there."""

    name: str
    service: str
    request: Request
    shares: Callable[[Resources, Mapping[str, str]], Shares]


def _at_the_edge(resources: Resources, headers: Mapping[str, str]) -> Shares:
    return shares_at_gateway(resources, "frontend", Call("GET", "/", headers))


def _inside(resources: Resources, headers: Mapping[str, str]) -> Shares:
    call = Call("POST", "/analyse/sentiment", headers)
    return shares_in_mesh(resources, "logic", call, caller="webapp")


PLACES = (
    Place("edge", "frontend", Request("GET", "/"), _at_the_edge),
    Place("inside", "logic", sentiment_requests()[0], _inside),
)


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read who is routed where, send as everybody at both places, judge."""
    checks: list[Check] = []
    expected = {place.name: decisions(bench.resources(), place) for place in PLACES}
    for place in PLACES:
        wanted = expected[place.name]
        bench.facts[f"in force, {place.name}"] = "; ".join(_fact(group, wanted[group]) for group in GROUPS)
        plan = plan_for(place, wanted)
        checks += judged(place, wanted, plan, bench.send(plan))
    if {place.name: decisions(bench.resources(), place) for place in PLACES} != expected:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return checks


def decisions(resources: Resources, place: Place) -> ByGroup:
    """What is in force for each group; raises NotInForce if nothing depends on the group."""
    found = {group: place.shares(resources, headers_of(group)) for group in GROUPS}
    if all(found[group].shares == found[OTHERS].shares for group in MEMBERS):
        where = found[OTHERS].where
        raise NotConfigured(f"{where} routes {place.service} without regard to the header {HEADER}; {REMEDY}")
    return found


def headers_of(group: str) -> Mapping[str, str]:
    """How somebody of this group shows it."""
    return {} if group == OTHERS else {HEADER: group}


def plan_for(place: Place, wanted: ByGroup) -> LoadPlan:
    """The requests of all groups, in a fixed order that repeats."""
    each = math.ceil(MEMBERS_REQUESTS / CYCLES)
    most = max(trials_for(share, NOTICED_SHARE) for share in wanted[OTHERS].shares.values())
    order = [group for group in MEMBERS for _ in range(each)]
    order += [OTHERS] * max(each, math.ceil(most / CYCLES))
    requests = tuple(
        replace(place.request, headers=(*place.request.headers, *headers_of(group).items()))
        for group in order
    )
    count, connections = len(requests) * CYCLES, CONNECTIONS[place.service]
    return LoadPlan(requests, count, connections, timeout_seconds=20, purpose=place.name)


def judged(place: Place, wanted: ByGroup, plan: LoadPlan, measurement: Measurement) -> list[Check]:
    """For each group and version whether it got the share in force."""
    groups = [_group(request) for request in plan.requests]
    checks = []
    for group in GROUPS:
        own = Measurement(
            [one for one in measurement.observations if groups[one.number % len(groups)] == group]
        )
        found = own.versions_of(place.service)
        planned = plan.count // len(groups) * groups.count(group)
        for version, share in wanted[group].shares.items():
            checks.append(
                judge(
                    f"{place.name}: {group} to {version}",
                    f"{percent(share)} of {group}",
                    design(share, planned),
                    Count(found.get(version, 0), len(own), found.get(None, 0)),
                )
            )
    return checks


def _group(request: Request) -> str:
    return dict(request.headers).get(HEADER, OTHERS)


def _fact(group: str, shares: Shares) -> str:
    return f"{group} " + ", ".join(f"{version} {percent(share)}" for version, share in shares.shares.items())


PROOF = Proof(
    scenario="user-routing",
    proves="each user group gets its version, at the gateway and two hops deeper",
    prove=prove,
)
