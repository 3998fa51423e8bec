"""Proofs that foretell: every answer is compared with what its request id, the odds and the policy allow.

The versions' deliberate failures are decided by a hash of seed, request id and try, and webapp's answers
carry the request id. So beside the shares, each answer can be checked on its own: it must come from the try
that was foretold, or be the failure that was. A single one that is not FAILs. One that took longer than a
deadline in force may have been slowed down by the machine and not by the hash: it counts as unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import (
    Call,
    CallPath,
    NotConfigured,
    Resources,
    Split,
    UnsupportedConfig,
    inner_route,
    read_split,
)
from loadgen.meshstate.attempts import (
    Ending,
    Outcome,
    Policy,
    held_seconds,
    least_and_most,
    policy_of,
    predicted,
)
from loadgen.meshstate.interference import interference
from loadgen.meshstate.routes import Route
from loadgen.proofs.common.measurement_quality import STALL_RATIO, timed_out
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design, trials_for
from loadgen.statistics.judge import (
    BUSY,
    Check,
    Count,
    Verdict,
    downgrade_to_inconclusive,
    judge,
    judge_between,
)

SERVICE = "logic"
CALL_PATH = CallPath("webapp", Call("POST", PATH), SERVICE, Call("POST", "/analyse/sentiment"))

NOTICED = 0.08
FEWEST_REQUESTS = 600
MOST_REQUESTS = 4_000
USUAL_RATE = 120
"""Requests a second that leave the application room on two busy cores: what queues is slow."""
HELD_THREADS = 64
"""How many threads of a version hanging tries may hold on average: half of what its Deployment has."""
MOST_CONNECTIONS = 112
MARGIN_SECONDS = 1.0
"""How late an answer may come after the deadline: machines are busy, and hangs are longer than that."""


@dataclass(frozen=True)
class Plan:
    """What is in force: the split with its odds, and the route's policy."""

    split: Split
    policy: Policy

    @cached_property
    def faulty(self) -> tuple[str, ...]:
        """The versions that get requests and are made to fail."""
        shares, odds = self.split.shares, self.split.odds
        return tuple(version for version in shares if shares[version] and odds[version].failing)

    def share(self, holds: Callable[[Ending], bool], policy: Policy | None = None) -> tuple[float, float]:
        """The least and the greatest share of requests with such an end, under this policy or another."""
        low = high = 0.0
        for version, share in self.split.shares.items():
            least, most = least_and_most(policy or self.policy, self.split.odds[version], holds)
            low, high = low + share * least, high + share * most
        return low, high

    def ends(self, version: str, request_id: str) -> frozenset[Ending]:
        """The ends to which a request at a version can come."""
        return predicted(self.policy, self.split.odds[version], request_id)


def read_plan(resources: Resources, *, remedy: str) -> Plan:
    """What is in force on the way to logic; NotUnderstood if more plays a part."""
    split = read_split(resources, CALL_PATH, remedy=remedy)
    route = inner_route(resources, CALL_PATH)
    if route is None:
        raise NotConfigured(f"no route leads to {SERVICE}; {remedy}")
    bare = Route(
        route.where, {key: part for key, part in route.spec.items() if key not in {"timeout", "retries"}}
    )
    others = interference(resources, bare, CALL_PATH)
    if others:
        raise UnsupportedConfig(f"what is to be expected also depends on {' and '.join(others)}")
    plan = Plan(split, policy_of(route))
    if not plan.faulty:
        raise NotConfigured(f"{route.where}: no version that gets requests is made to fail; {remedy}")
    return plan


def load_plan(plan: Plan) -> LoadPlan:
    """How many requests, and how fast: hanging tries must leave the version threads for the others."""
    low, _ = plan.share(is_answer)
    count = min(max(FEWEST_REQUESTS, trials_for(low, NOTICED)), MOST_REQUESTS)
    held = max(
        plan.split.shares[version] * held_seconds(plan.policy, plan.split.odds[version])
        for version in plan.faulty
    )
    rate = min(USUAL_RATE, HELD_THREADS / held) if held else USUAL_RATE
    longest = max(odds.hang_seconds for odds in plan.split.odds.values()) * plan.policy.attempts
    return LoadPlan(
        sentiment_requests(), math.ceil(count / 100) * 100, MOST_CONNECTIONS, 15 + longest, rate=rate
    )


def longest_hang(plan: Plan) -> float:
    """For how long a request may keep a thread of a faulty version, in seconds."""
    odds = (plan.split.odds[version] for version in plan.faulty)
    return max((one.hang_seconds for one in odds if one.hang_percent), default=0.0)


def is_answer(end: Ending) -> bool:
    """Whether the caller got what it asked for."""
    return end.outcome is Outcome.ANSWERED


def is_late_answer(end: Ending) -> bool:
    """Whether the caller got it from a second or later try."""
    return is_answer(end) and end.attempts > 1


def is_cut(end: Ending) -> bool:
    """Whether a deadline ended the request."""
    return end.outcome is Outcome.TIMED_OUT


def outcome(one: Observation) -> Outcome | None:
    """What an answer of webapp says of logic's; None for whatever logic and its deadlines do not explain."""
    named = one.version_of(SERVICE) is not None
    if one.status == 200 and named:
        return Outcome.ANSWERED
    if one.status == 502 and named:
        return Outcome.FAILED
    return Outcome.TIMED_OUT if one.status == 504 and not named else None


def share_check(
    plan: Plan, planned: int, measurement: Measurement, name: str, holds: Callable[[Ending], bool]
) -> Check:
    """The share of requests with such an end against the one computed from odds and policy.

    It does not FAIL where ends to which a slow machine may have led explain it, as far as that was slow.
    """
    low, high = plan.share(holds)
    wanted = percent(low) if percent(low) == percent(high) else f"{percent(low)} to {percent(high)}"
    plans = (design(low, planned), design(high, planned))
    found = measurement.count(lambda one: _ends_so(one, holds))
    unknown = measurement.count(lambda one: one.abandoned)

    def judged(without: int, more_unknown: int) -> Check:
        count = Count(found - without, len(measurement), unknown + more_unknown)
        return judge_between(name, f"{wanted} of all requests", plans, count)

    stalls = stalled(plan, measurement)
    odd = [_ends_so(one, holds) for one in measurement.observations if _may_be_a_stalls(plan, one)]
    by_chance = min(stalls, sum(odd))
    open_ends = by_chance + min(stalls, len(odd) - sum(odd))
    explained = judged(by_chance, open_ends).verdict is not Verdict.FAIL
    return downgrade_to_inconclusive(judged(0, 0), BUSY if explained else "")


def _ends_so(one: Observation, holds: Callable[[Ending], bool]) -> bool:
    """Whether the end that was observed is such a one; of one that was cut it does not say the tries."""
    found = outcome(one)
    return found is not None and holds(Ending(found, one.attempt_of(SERVICE) or 1))


def _may_be_a_stalls(plan: Plan, one: Observation) -> bool:
    """Whether a slow machine may have led to such an end; one that was cut may be the sound version's."""
    if one.status is None:
        return timed_out(one)
    return outcome(one) is Outcome.TIMED_OUT or as_predicted(plan, one) is None


def stalled(plan: Plan, measurement: Measurement) -> int:
    """How many requests a slow machine may have led into a deadline.

    The evidence is what nothing delays: answers of sound versions that took half of a deadline, or more.
    """
    deadline = _shortest_deadline(plan)
    slow = measurement.count(lambda one: is_sound(plan, one) and one.latency_seconds >= deadline / 2)
    return STALL_RATIO * slow


def is_sound(plan: Plan, one: Observation) -> bool:
    """Whether it is the answer of a version that is not made to fail."""
    return one.status == 200 and one.version_of(SERVICE) not in {*plan.faulty, None}


def prediction_check(plan: Plan, planned: int, measurement: Measurement) -> Check:
    """Whether every answer is one that its request id allows."""
    wrong = unknown = 0
    for one in measurement.observations:
        verdict = as_predicted(plan, one)
        wrong += verdict is False
        unknown += verdict is None
    count = Count(wrong, len(measurement), unknown)
    return judge("other than foretold", "none: every answer is the one foretold", design(0.0, planned), count)


def as_predicted(plan: Plan, one: Observation) -> bool | None:
    """Whether an answer is as foretold; None if that cannot be said."""
    if one.status is None or one.request_id is None:
        return None
    found = outcome(one)
    version, number, request_id = one.version_of(SERVICE), one.attempt_of(SERVICE), one.request_id
    if found is Outcome.TIMED_OUT:
        fits = any(is_cut(end) for faulty in plan.faulty for end in plan.ends(faulty, request_id))
    elif found is None or version not in plan.split.odds or version is None or number is None:
        fits = False
    else:
        fits = Ending(found, number) in plan.ends(version, request_id)
    # After so long a deadline may have cut a try that was merely slow.
    return fits or (None if one.latency_seconds >= _shortest_deadline(plan) else False)


def _shortest_deadline(plan: Plan) -> float:
    deadlines = (plan.policy.try_seconds, plan.policy.whole_seconds)
    return min((each for each in deadlines if each is not None), default=math.inf)


def most_tries_check(plan: Plan, planned: int, measurement: Measurement) -> Check:
    """Whether no answer comes from a try beyond those allowed."""
    allowed = plan.policy.attempts if plan.policy.repeats_errors or plan.policy.repeats_cuts else 1
    beyond = measurement.count(lambda one: (one.attempt_of(SERVICE) or 1) > allowed)
    name = f"more than {allowed} {'attempts' if allowed > 1 else 'attempt'}"
    return judge(name, "never", design(0.0, planned), Count(beyond, len(measurement)))


def deadline_check(plan: Plan, planned: int, measurement: Measurement) -> Check | None:
    """Whether no request took longer than the route's deadline and a margin; None without a deadline.

    A deadline that is not kept is not kept for most requests that run into it. A few late answers among many
    in time may be a machine that stood still: they are unknown; so are more where answers of sound versions
    were as late. A request that was lost while others were answered in time is late for certain.
    """
    whole = plan.policy.whole_seconds
    if whole is None:
        return None
    waited = [one for one in measurement.observations if not one.abandoned]
    late = [one for one in waited if one.latency_seconds > whole + MARGIN_SECONDS]
    ran_into_it = sum(one.latency_seconds >= whole for one in waited)
    stalls = sum(one.status is not None for one in late)
    if 2 * len(late) > ran_into_it:
        slow = sum(is_sound(plan, one) and one.latency_seconds > MARGIN_SECONDS for one in waited)
        stalls = min(stalls + sum(map(timed_out, late)), STALL_RATIO * slow)
    unknown = len(measurement) - len(waited) + stalls
    name = f"later than {whole:g} s + {MARGIN_SECONDS:g} s"
    return judge(name, "never", design(0.0, planned), Count(len(late) - stalls, len(measurement), unknown))


def facts(plan: Plan) -> dict[str, str]:
    """What is in force, for the report."""
    weights = ", ".join(f"{version} {percent(share)}" for version, share in plan.split.shares.items())
    faults = [
        f"of {version}'s tries {odds.error_percent:g} % fail at once, {odds.hang_percent:g} % after "
        f"{odds.hang_seconds:g} s"
        for version, odds in plan.split.odds.items()
        if odds.failing
    ]
    return {
        "in force": f"{plan.split.where}: {weights}",
        "policy": _policy_in_words(plan.policy),
        "faults": "; ".join(faults),
    }


def _policy_in_words(policy: Policy) -> str:
    parts = []
    if policy.attempts > 1:
        repeated = [
            *(["failures"] if policy.repeats_errors else []),
            *(["tries cut by their deadline"] if policy.repeats_cuts else []),
        ]
        what = " and ".join(repeated) or "neither failures nor tries cut by their deadline"
        parts.append(f"{policy.attempts - 1} retries, of {what}")
    if policy.try_seconds is not None:
        parts.append(f"each try at most {policy.try_seconds:g} s")
    if policy.whole_seconds is not None:
        parts.append(f"all together at most {policy.whole_seconds:g} s")
    return ", ".join(parts) or "no retries of failures, no deadline"
