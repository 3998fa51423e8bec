"""A circuit breaker: what a service cannot take is refused at once, so that what it takes stays fast.

First the service is asked by one user alone: nothing may be refused, and the time of an answer is learned.
Then three times as many requests come as the pool can serve. Refusals say that they are (503,
`x-envoy-overloaded`), and reach no pod. Among them go requests to another service, which must notice nothing.

How many are refused follows from the pool and from what an answer takes: a connection serves one request at
a time, so no more than that are served while the flood lasts. A proxy's every thread may open a connection,
whatever the limit; a proxy has two threads unless it is told otherwise. On a busy machine fewer are served:
next to none is wrong only where this machine sent in time. Times are judged by generous bounds for most, not
all requests, and not at all where this machine could not even send in time: a busy machine is no broken mesh.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.routes import qualified
from loadgen.proofs.common import foreign_traffic
from loadgen.proofs.common.foreign_traffic import Entrance
from loadgen.proofs.common.measurement_quality import SLOW_SECONDS, busy, late_sending
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design
from loadgen.statistics.judge import (
    Check,
    Count,
    downgrade_to_inconclusive,
    inconclusive,
    judge,
    judge_between,
)

SERVICE = "webapp"
OTHER = "frontend"
REMEDY = remedy("circuit-breaker")

CALM_REQUESTS = 300
FLOOD_REQUESTS = 3_200
FLOOD_FACTOR = 3
MOST_RATE = 4_000
CONNECTIONS = 256
EVERY = 8
"""One request in so many of the flood is for the other service."""
THREADS = 2
"""What a proxy of Istio has by default; each may open one connection."""
FASTER = 1.25
"""How much faster than calmly one after the other answers may come if the next request waits already."""
LEAST_SERVED = 0.1
"""What part of one connection's work is done even where the flood takes the machine's time."""
MOST_SLOW = 0.1


@dataclass(frozen=True, slots=True)
class Pool:
    """The limits in force for a service, as its callers' proxies keep them."""

    where: str
    connections: int
    pending: int


@dataclass(frozen=True, slots=True)
class Flood:
    """Far too many requests, and the least and greatest share (in 0..1) that has to be refused of them."""

    load_plan: LoadPlan
    refused: tuple[float, float]


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read the limits in force, send calmly, then far too much, and judge both."""
    pool = pool_in_force(bench.resources())
    bench.facts["in force"] = (
        f"{pool.where}: {pool.connections} connection(s) and {pool.pending} waiting request(s) to {SERVICE}"
    )
    entrance = Entrance.of(bench)
    calm = bench.send(calm_shipment())
    more = entrance.others(bench, calm)
    flood = flood_for(pool, calm)
    flooded = bench.send(flood.load_plan)
    bench.facts |= times(calm, flooded)
    if pool_in_force(bench.resources()) != pool:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return judged(calm, flooded, flood, more)


def pool_in_force(resources: Resources) -> Pool:
    """The limits of the service's DestinationRule; NotInForce where either is missing."""
    host = qualified(SERVICE, resources.namespace)
    for rule in resources.destination_rules:
        if qualified(rule["spec"]["host"], resources.namespace) != host:
            continue
        settings = (rule["spec"].get("trafficPolicy") or {}).get("connectionPool") or {}
        connections = (settings.get("tcp") or {}).get("maxConnections")
        pending = (settings.get("http") or {}).get("http1MaxPendingRequests")
        if connections and pending:
            name = f"DestinationRule {resources.namespace}/{rule['metadata']['name']}"
            return Pool(name, int(connections), int(pending))
    raise NotConfigured(f"no DestinationRule limits connections and waiting requests to {SERVICE}; {REMEDY}")


def calm_shipment() -> LoadPlan:
    """One request at a time: no limit is ever reached."""
    return LoadPlan(sentiment_requests(), CALM_REQUESTS, 1, 15, purpose="calmly")


def flood_for(pool: Pool, calm: Measurement) -> Flood:
    """Three times as many requests a second as the pool serves at most, going by what answers took calmly.

    A pool for which that is more than a machine can be asked to send is refused.
    """
    times = [one.latency_seconds for one in calm.observations if not one.failed]
    if not times:
        raise UnsupportedConfig(f"{SERVICE} does not answer even when it is asked by one alone")
    alone = 1 / median(times)
    at_most = max(pool.connections, THREADS) * alone
    rate = FLOOD_FACTOR * at_most
    if rate > MOST_RATE or 4 * (pool.connections + pool.pending) > CONNECTIONS:
        raise NotConfigured(f"{pool.where}: this proof cannot overflow so large a pool; {REMEDY}")
    limited = rate * (EVERY - 1) / EVERY
    refused = (1 - FASTER * at_most / limited, 1 - LEAST_SERVED * pool.connections * alone / limited)
    sentences = sentiment_requests()
    requests = (Request(path="/"), *(sentences[index % len(sentences)] for index in range(EVERY - 1)))
    load_plan = LoadPlan(requests, FLOOD_REQUESTS, CONNECTIONS, 15, rate=rate, purpose="flooding")
    return Flood(load_plan, refused)


def is_others(one: Observation) -> bool:
    """Whether a request of the flood was for the other service."""
    return one.number % EVERY == 0


def is_refused(one: Observation) -> bool:
    """Whether a proxy answered it because the pool was full, before any pod saw it."""
    return one.status == 503 and one.overloaded and not one.hops


def is_slow(one: Observation) -> bool:
    """Whether it took longer than queueing behind a few others explains.

    Without a breaker the queue grows far beyond that within a second.
    """
    return one.latency_seconds > SLOW_SECONDS


def times(calm: Measurement, flooded: Measurement) -> dict[str, str]:
    """What answers took, and what counts as slow: the promise in milliseconds, beside the verdicts."""
    other = [one for one in flooded.observations if is_others(one)]
    limited = [one for one in flooded.observations if not is_others(one)]
    late = f"99 % of the flood was sent at most {_milliseconds(flooded.late_seconds)} late"
    return {
        "time when calm": _time(calm.observations),
        "time of refusals": _time([one for one in limited if is_refused(one)]),
        "time of admitted": _time([one for one in limited if not is_refused(one)]),
        f"time of {OTHER}": _time(other),
        "slow": f"more than {SLOW_SECONDS * 1000:g} ms from when it was due; {late}",
    }


def _time(answers: Sequence[Observation]) -> str:
    seconds = sorted(one.latency_seconds for one in answers if not one.abandoned)
    if not seconds:
        return "no data"
    most = seconds[math.ceil(0.99 * len(seconds)) - 1]
    return f"median {_milliseconds(median(seconds))}, 99 % within {_milliseconds(most)}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


def judged(calm: Measurement, flooded: Measurement, flood: Flood, more: int = 0) -> list[Check]:
    """All checks; `more` requests were sent by others while this proof sent calmly."""
    planned = flood.load_plan.count
    limited = [one for one in flooded.observations if not is_others(one)]
    other = [one for one in flooded.observations if is_others(one)]
    refused = [one for one in limited if is_refused(one)]
    admitted = [one for one in limited if not is_refused(one)]
    others_planned = planned // EVERY
    late = late_sending(flooded) or busy(calm, lambda one: not one.failed)
    calmly = _none("refused or failed when calm", CALM_REQUESTS, calm.observations, lambda one: one.failed)
    return [
        downgrade_to_inconclusive(calmly, foreign_traffic.reason(more)),
        _refused(flood, planned - others_planned, limited, late),
        _none("failed otherwise", planned - others_planned, limited, _failed_otherwise),
        _slow("slow refusals", len(refused), refused, late),
        _slow("slow among admitted", len(admitted), admitted, late),
        _none(f"failures of {OTHER}", others_planned, other, lambda one: one.failed),
        _slow(f"slow answers of {OTHER}", others_planned, other, late),
    ]


def _failed_otherwise(one: Observation) -> bool:
    return one.failed and not is_refused(one)


def _none(
    name: str, planned: int, among: Sequence[Observation], holds: Callable[[Observation], bool]
) -> Check:
    return judge(name, "none", design(0.0, planned), _count(among, holds))


def _refused(flood: Flood, planned: int, limited: Sequence[Observation], late: str) -> Check:
    """Whether the pool holds; that hardly anybody is served may be a busy machine's doing."""
    name = "refused when flooded"
    low, high = flood.refused
    plans = (design(low, planned), design(high, planned))
    expected = f"{percent(low)} to {percent(high)}"
    count = _count(limited, is_refused)
    if late and count.share is not None and count.share > high:
        return inconclusive(name, expected, f"{percent(count.share)} were, but {late}")
    return judge_between(name, expected, plans, count)


def _slow(name: str, planned: int, among: Sequence[Observation], late: str) -> Check:
    """Whether few enough of these answers are slow, unless this machine itself was late."""
    expected = f"at most {percent(MOST_SLOW)} slower than {SLOW_SECONDS * 1000:g} ms"
    if late:
        return inconclusive(name, expected, late)
    plans = (design(0.0, max(planned, 1)), design(MOST_SLOW, max(planned, 1)))
    return judge_between(name, expected, plans, _count(among, is_slow))


def _count(among: Sequence[Observation], holds: Callable[[Observation], bool]) -> Count:
    known = [one for one in among if not one.abandoned]
    return Count(sum(map(holds, known)), len(among), len(among) - len(known))


PROOF = Proof(
    scenario="circuit-breaker",
    proves="what webapp's pool cannot take is refused at once, and what it takes stays fast",
    prove=prove,
)
