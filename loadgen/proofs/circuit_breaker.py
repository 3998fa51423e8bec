"""A circuit breaker: what a service cannot serve is refused at once, so that what it serves stays fast.

First one user alone sends: nothing may be refused, and the time of an answer is measured. Then three times
as many requests arrive as the connection pool can serve. Refusals say that they are (503,
`x-envoy-overloaded`), and reach no pod. Among them are requests to another service, which must not be
affected.

How many are refused follows from the pool and from the time of an answer: a connection serves one request
at a time, so no more than that are served during the flood. Each worker thread of a proxy may open a
connection, whatever the limit; a proxy has two unless configured otherwise. A busy machine serves fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import (
    CONTROL_BOUND_SECONDS,
    Quality,
    milliseconds,
    percentile_99,
)
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.proofs.common.foreign_traffic import EntryCounter
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design
from loadgen.statistics.judge import (
    Cause,
    Check,
    Count,
    judge_between,
    judge_time,
    unless,
)
from loadgen.statistics.judge import judge as judge_share

SERVICE = "webapp"
OTHER = "frontend"
REMEDY = remedy("circuit-breaker")

CALM_REQUESTS = 300
FLOOD_REQUESTS = 3_200
FLOOD_FACTOR = 3
MOST_RATE = 4_000
CONNECTIONS = 256
EVERY = 8
"""One in so many requests of the flood is for the other service."""
THREADS = 2
"""Istio's default for a proxy; each may open one connection."""
FASTER = 1.25
"""How much faster answers may come than one after the other if the next request is already waiting."""
LEAST_SERVED = 0.1
"""The part of one connection's capacity that is served even where the flood takes most of the CPU."""
SLOW_SECONDS = CONTROL_BOUND_SECONDS
"""An answer that takes longer is slow: queueing behind a few others does not explain it. Without a breaker
the queue grows far beyond that within a second."""
MOST_SLOW = 0.1


@dataclass(frozen=True, slots=True)
class Pool:
    """The limits of a service's connection pool, as its callers' proxies apply them."""

    where: str
    connections: int
    pending: int


@dataclass(frozen=True, slots=True)
class Flood:
    """Too many requests, and the lower and upper bound of the share (in 0..1) that must be refused."""

    load_plan: LoadPlan
    refused: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers to one user alone, and those during the flood.

    `foreign_requests` were sent by others during the first part.
    """

    calm: Measurement
    flood: Flood
    flooded: Measurement
    foreign_requests: int = 0


def read(resources: Resources) -> Pool:
    """The limits in the service's DestinationRule; raises NotConfigured where either is missing."""
    for rule in resources.rules_of(SERVICE):
        settings = (rule["spec"].get("trafficPolicy") or {}).get("connectionPool") or {}
        connections = (settings.get("tcp") or {}).get("maxConnections")
        pending = (settings.get("http") or {}).get("http1MaxPendingRequests")
        if connections and pending:
            name = f"DestinationRule {resources.namespace}/{rule['metadata']['name']}"
            return Pool(name, int(connections), int(pending))
    raise NotConfigured(f"no DestinationRule limits connections and pending requests to {SERVICE}; {REMEDY}")


def facts(pool: Pool) -> dict[str, str]:
    """The limits."""
    return {
        "configured": f"{pool.where}: {pool.connections} connection(s) and "
        f"{pool.pending} pending request(s) to {SERVICE}"
    }


def measure(context: ProofContext, pool: Pool) -> Observed:
    """Send as one user alone, then far too much."""
    entry = EntryCounter.read(context.api)
    calm = context.send(calm_load_plan())
    foreign = entry.foreign_requests(calm)
    flood = flood_for(pool, calm)
    return Observed(calm, flood, context.send(flood.load_plan), foreign)


def calm_load_plan() -> LoadPlan:
    """One request at a time: no limit is ever reached."""
    return LoadPlan(sentiment_requests(), CALM_REQUESTS, 1, 15, purpose="calmly")


def flood_for(pool: Pool, calm: Measurement) -> Flood:
    """Three times as many requests a second as the pool can serve, by the time of answers to one alone.

    Raises NotConfigured for a pool so large that a machine cannot send that many.
    """
    times = [one.latency_seconds for one in calm.observations if not one.failed]
    if not times:
        raise UnsupportedConfig(f"{SERVICE} does not answer even to one user alone")
    alone = 1 / median(times)
    capacity = max(pool.connections, THREADS) * alone
    rate = FLOOD_FACTOR * capacity
    if rate > MOST_RATE or 4 * (pool.connections + pool.pending) > CONNECTIONS:
        raise NotConfigured(f"{pool.where}: this proof cannot overflow so large a pool; {REMEDY}")
    limited = rate * (EVERY - 1) / EVERY
    refused = (1 - FASTER * capacity / limited, 1 - LEAST_SERVED * pool.connections * alone / limited)
    sentences = sentiment_requests()
    requests = (Request(path="/"), *(sentences[index % len(sentences)] for index in range(EVERY - 1)))
    load_plan = LoadPlan(requests, FLOOD_REQUESTS, CONNECTIONS, 15, rate=rate, purpose="flooding")
    return Flood(load_plan, refused)


def is_others(one: Observation) -> bool:
    """Whether a request of the flood was for the other service."""
    return one.number % EVERY == 0


def is_refused(one: Observation) -> bool:
    """Whether a proxy answered because the pool was full, before any pod."""
    return one.status == 503 and one.overloaded and not one.hops


def findings(_: Pool, observed: Observed) -> dict[str, str]:
    """The times of answers, beside the verdicts on them."""
    other = observed.flooded.where(is_others)
    limited = observed.flooded.where(lambda one: not is_others(one))
    return {
        "time when calm": _time(observed.calm.observations),
        "time of refusals": _time([one for one in limited if is_refused(one)]),
        "time of admitted": _time([one for one in limited if not is_refused(one)]),
        f"time of {OTHER}": _time(other),
        "slow": f"more than {milliseconds(SLOW_SECONDS)} after the scheduled time",
    }


def _time(answers: Sequence[Observation]) -> str:
    seconds = [one.latency_seconds for one in answers if not one.abandoned]
    most = percentile_99(seconds)
    if most is None:
        return "no data"
    return f"median {milliseconds(median(seconds))}, 99 % within {milliseconds(most)}"


def quality(_: Pool, observed: Observed) -> Quality:
    """How late the flood was sent, and the answers to one user alone, which nothing delays."""
    calm = [one.latency_seconds for one in observed.calm.observations if not one.failed]
    return Quality(
        observed.flooded.lateness_seconds,
        percentile_99(calm),
        foreign_requests=observed.foreign_requests,
    )


def judge(pool: Pool, observed: Observed) -> list[Check]:
    """Nothing refused when calm, enough but not too much in the flood, and times."""
    measured = quality(pool, observed)
    planned = observed.flooded.planned
    limited = observed.flooded.where(lambda one: not is_others(one))
    other = observed.flooded.where(is_others)
    refused = [one for one in limited if is_refused(one)]
    admitted = [one for one in limited if not is_refused(one)]
    others_planned = planned // EVERY
    return [
        _calm(observed.calm, measured),
        _refused(observed.flood, planned - others_planned, limited, measured.busy),
        _none("failed otherwise", planned - others_planned, limited, _failed_otherwise),
        _slow("slow refusals", len(refused), refused, measured.busy),
        _slow("slow among admitted", len(admitted), admitted, measured.busy),
        _none(f"failures of {OTHER}", others_planned, other, lambda one: one.failed),
        _slow(f"slow answers of {OTHER}", others_planned, other, measured.busy),
    ]


def _calm(calm: Measurement, measured: Quality) -> Check:
    """Whether one user alone is never refused; requests of others may fill the pool."""
    check = _none("refused or failed when calm", calm.planned, calm.observations, lambda one: one.failed)
    return unless(check, Cause.FOREIGN_TRAFFIC, measured.foreign)


def _failed_otherwise(one: Observation) -> bool:
    return one.failed and not is_refused(one)


def _none(
    name: str, planned: int, among: Sequence[Observation], holds: Callable[[Observation], bool]
) -> Check:
    return judge_share(name, "none", design(0.0, planned), _count(among, holds))


def _refused(flood: Flood, planned: int, limited: Sequence[Observation], busy: str) -> Check:
    """Whether the pool holds; a slow machine serves fewer, so more are refused."""
    low, high = flood.refused
    plans = (design(low, planned), design(high, planned))
    expected = f"{percent(low)} to {percent(high)}"
    count = _count(limited, is_refused)
    return judge_time(
        lambda count: judge_between("refused when flooded", expected, plans, count),
        count,
        count.without(successes=count.successes),
        busy,
    )


def _slow(name: str, planned: int, among: Sequence[Observation], busy: str) -> Check:
    """Whether few enough answers are slow; a sender that is late makes the flood weaker, too."""
    expected = f"at most {percent(MOST_SLOW)} slower than {milliseconds(SLOW_SECONDS)}"
    plans = (design(0.0, max(planned, 1)), design(MOST_SLOW, max(planned, 1)))
    count = _count(among, lambda one: one.latency_seconds > SLOW_SECONDS)
    nothing_known = Count(0, count.trials, count.trials)
    return judge_time(lambda count: judge_between(name, expected, plans, count), count, nothing_known, busy)


def _count(among: Sequence[Observation], holds: Callable[[Observation], bool]) -> Count:
    known = [one for one in among if not one.abandoned]
    return Count(sum(map(holds, known)), len(among), len(among) - len(known))


PROOF = Proof(
    scenario="circuit-breaker",
    proves="what exceeds webapp's pool is refused at once, and what is admitted stays fast",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=findings,
    quality=quality,
)
