"""Rate limits: a sidecar admits what its token buckets allow, and answers 429 to the rest.

The proof waits until all buckets are full. Then it sends far more requests than they have tokens, to
two paths with a bucket each and to a service without any, in rotation: what is admitted is a full bucket and
what is refilled meanwhile. After that it sends on schedule, faster than the buckets are refilled: between
two refusals, at which a bucket is empty, as many requests are admitted as it was refilled with.

None of it is left to chance. The numbers are ranges only because a request arrives at the proxy at some time
between its sending and its answer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import Quality
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.rate_limits import TokenBucket, read_rate_limits
from loadgen.meshstate.resources import service_name
from loadgen.meshstate.routes import edge_route, gateway_routes_with
from loadgen.proofs.common.foreign_traffic import EntryCounter
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Cause, Check, exact_check, failed, inconclusive, passed, unless

SERVICE = "webapp"
PAGE = "/"
REMEDY = remedy("rate-limit")
MARK = "x-local-rate-limit"
"""The header by which the overlay marks refusals."""
CONNECTIONS = 8
BURST = 3
"""How many times the largest bucket is sent at once to each path."""
FASTER = 2
"""How many times faster than buckets are refilled requests are sent after that."""
REFILLED_TOKENS = 20
"""How many tokens the slowest bucket gets at least while they are counted."""
SECONDS = (2.0, 30.0)
"""How long these are counted: at least, and at most."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A path at the gateway, and the bucket of which its requests take tokens."""

    path: str
    bucket: TokenBucket


@dataclass(frozen=True, slots=True)
class Limits:
    """The limit of each path, and which object configures them."""

    where: str
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers to the burst, and to the requests on schedule; `foreign_requests` were sent by others."""

    burst: Measurement
    steady: Measurement
    foreign_requests: int = 0


def read(resources: Resources) -> Limits:
    """The buckets of two paths of webapp; raises NotConfigured where they are missing or the same."""
    configured = read_rate_limits(resources, SERVICE, remedy=REMEDY)
    if len(resources.pods_of(SERVICE)) > 1:
        raise UnsupportedConfig(f"{SERVICE} has several pods, each with its own buckets")
    paths = {PATH: PATH} | _rewritten(resources)
    limits = tuple(Limit(path, configured.bucket(rewritten)) for path, rewritten in paths.items())
    if len({configured.by_path.get(rewritten) for rewritten in paths.values()}) < len(paths):
        raise NotConfigured(f"{configured.where}: {' and '.join(paths)} share one limit; {REMEDY}")
    for limit in limits:
        if limit.bucket.seconds_until_full > SECONDS[1]:
            raise UnsupportedConfig(
                f"{configured.where}: the bucket of {limit.path} is full after "
                f"{limit.bucket.seconds_until_full:.0f} s, which this proof does not wait for"
            )
    return Limits(configured.where, limits)


def _rewritten(resources: Resources) -> dict[str, str]:
    """The path of another route from the gateway to webapp, and the one that arrives there."""
    for path, route in gateway_routes_with(resources, "rewrite", "uri"):
        hosts = {service_name(entry["destination"]["host"]) for entry in route.destinations}
        if hosts == {SERVICE}:
            return {path: str(route.spec["rewrite"]["uri"])}
    edge_route(resources, Call("POST", PATH))
    raise NotConfigured(f"no route leads from the gateway to another path of {SERVICE}; {REMEDY}")


def facts(limits: Limits) -> dict[str, str]:
    """The buckets."""
    buckets = (
        f"{limit.path} {limit.bucket.tokens} at once and {limit.bucket.per_second:g} a second"
        for limit in limits.limits
    )
    return {"configured": f"{limits.where}: {', '.join(buckets)}"}


def measure(context: ProofContext, limits: Limits) -> Observed:
    """Wait until the buckets are full, then send the burst and the requests on schedule.

    The same burst before that is not judged: for a new filter a proxy replaces its listener, and an open
    connection serves one more request without the limit.
    """
    context.send(burst_plan(limits, "to renew connections"))
    until_full = max(limit.bucket.seconds_until_full for limit in limits.limits)
    context.listener.note(f"waiting {until_full:.0f} s, until all tokens are there")
    time.sleep(until_full)
    before = EntryCounter.read(context.api)
    burst, steady = context.send(burst_plan(limits)), context.send(steady_plan(limits))
    after = EntryCounter.read(context.api)
    own = sum(len(admitted(answers_to(limits, PATH, one))) for one in (burst, steady))
    answered = None if before.answered is None or after.answered is None else after.answered - before.answered
    return Observed(burst, steady, 0 if answered is None else max(0, answered - own))


def burst_plan(limits: Limits, purpose: str = "all at once") -> LoadPlan:
    """More requests than all buckets have tokens, as fast as possible."""
    requests = _requests(limits)
    most = max(limit.bucket.tokens for limit in limits.limits)
    return LoadPlan(
        requests, BURST * most * len(requests), CONNECTIONS, 10, keep_answers=True, purpose=purpose
    )


def steady_plan(limits: Limits) -> LoadPlan:
    """Requests on schedule, faster than any bucket is refilled, until enough tokens are."""
    requests = _requests(limits)
    rates = [limit.bucket.per_second for limit in limits.limits]
    length = min(max(REFILLED_TOKENS / min(rates), SECONDS[0]), SECONDS[1])
    rate = FASTER * max(rates) * len(requests)
    rounds = math.ceil(rate * length / len(requests))
    return LoadPlan(
        requests, rounds * len(requests), CONNECTIONS, 10, rate=rate, keep_answers=True, purpose="on schedule"
    )


def _requests(limits: Limits) -> tuple[Request, ...]:
    """One request to each path, and one for the page, which has no limit."""
    sentence = sentiment_requests()[0]
    paths = (sentence if limit.path == PATH else Request("GET", limit.path) for limit in limits.limits)
    return (*paths, Request("GET", PAGE))


def answers_to(limits: Limits, path: str, measurement: Measurement) -> list[Observation]:
    """The answers to requests for a path."""
    paths = [request.path for request in _requests(limits)]
    return measurement.where(lambda one: paths[one.number % len(paths)] == path)


def is_refused(one: Observation) -> bool:
    """Whether the proxy answered because there was no token; no pod received the request."""
    return one.status == 429 and not one.hops


def admitted(answers: Sequence[Observation]) -> list[Observation]:
    """The answers of the service itself."""
    return [one for one in answers if one.status == 200 and one.hops]


def findings(limits: Limits, observed: Observed) -> dict[str, str]:
    """What was admitted."""
    rows = {"all at once": observed.burst, "on schedule": observed.steady}
    return {title: _admitted_by_path(limits, measurement) for title, measurement in rows.items()}


def _admitted_by_path(limits: Limits, measurement: Measurement) -> str:
    answers = {limit.path: answers_to(limits, limit.path, measurement) for limit in limits.limits}
    counts = (f"{len(admitted(own))} of {len(own)} to {path}" for path, own in answers.items())
    return f"admitted {', '.join(counts)}, in {measurement.seconds:.1f} s"


def quality(_: Limits, observed: Observed) -> Quality:
    """How late the requests on schedule were sent, and what others sent."""
    return Quality(observed.steady.lateness_seconds, foreign_requests=observed.foreign_requests)


def judge(limits: Limits, observed: Observed) -> list[Check]:
    """Both phases for each path, what refusals are, and the page without a limit."""
    foreign = quality(limits, observed).foreign
    checks = [
        check
        for limit in limits.limits
        for check in (
            _burst(limit, answers_to(limits, limit.path, observed.burst)),
            _refill(limit, answers_to(limits, limit.path, observed.steady), observed.steady),
        )
    ]
    limited = [
        one
        for limit in limits.limits
        for measurement in (observed.burst, observed.steady)
        for one in answers_to(limits, limit.path, measurement)
    ]
    pages = [
        one
        for measurement in (observed.burst, observed.steady)
        for one in answers_to(limits, PAGE, measurement)
    ]
    return [
        *(unless(check, Cause.FOREIGN_TRAFFIC, foreign) for check in checks),
        _only("refusals", f"429 with {MARK}", map(_kind, limited), leave_out="200"),
        _only("page", "200", map(_kind, pages)),
    ]


def _burst(limit: Limit, answers: Sequence[Observation]) -> Check:
    """A full bucket is admitted, and no more than what is refilled until the last answer."""
    name, bucket, count = f"burst to {limit.path}", limit.bucket, len(admitted(answers))
    length = max(map(_ended, answers), default=0.0) - min(map(_sent, answers), default=0.0)
    refused = sorted(filter(is_refused, answers), key=_ended)
    least = bucket.tokens + _refilled(bucket, refused)[0]
    most = math.floor(bucket.tokens + bucket.per_second * length)
    expected = f"{least} to {most} of {len(answers)} are admitted"
    if most >= len(answers):
        reason = f"{len(answers)} requests took {length:.1f} s, in which the bucket may admit all of them"
        return inconclusive(name, expected, Cause.BUSY, reason)
    return _between(name, expected, (least, most), (count, count))


def _refill(limit: Limit, answers: Sequence[Observation], measurement: Measurement) -> Check:
    """Between the first and the last refusal, as many are admitted as the bucket was refilled with."""
    name, rate = f"refill of {limit.path}", limit.bucket.per_second
    refused = sorted(filter(is_refused, answers), key=_ended)
    if measurement.seconds and len(answers) / measurement.seconds <= rate:
        return inconclusive(name, f"{rate:g} a second", Cause.BUSY, "the requests were sent too slowly")
    if len(refused) < 2:
        return failed(name, f"{rate:g} a second", f"{len(refused)} of {len(answers)} requests were refused")
    first, last = refused[0], refused[-1]
    certain = sum(_sent(one) >= _ended(first) and _ended(one) <= _sent(last) for one in admitted(answers))
    possible = sum(_ended(one) >= _sent(first) and _sent(one) <= _ended(last) for one in admitted(answers))
    least, most = _refilled(limit.bucket, refused)
    expected = f"{rate:g} a second: {least} to {most} in {_sent(last) - _ended(first):.1f} s"
    return _between(name, expected, (least, most), (certain, possible))


def _refilled(bucket: TokenBucket, refused: Sequence[Observation]) -> tuple[int, int]:
    """The least and the most that a bucket admits between the first and the last of these refusals.

    At a refusal it has less than one token; that happens between the request's sending and its answer.
    """
    if not refused:
        return 0, 0
    shortest, longest = _sent(refused[-1]) - _ended(refused[0]), _ended(refused[-1]) - _sent(refused[0])
    return max(0, math.ceil(bucket.per_second * shortest - 1)), math.floor(bucket.per_second * longest + 1)


def _between(name: str, expected: str, allowed: tuple[int, int], counted: tuple[int, int]) -> Check:
    """Whether a count, which is known to be in a range, can be in the range that is allowed."""
    if counted[1] < allowed[0] or counted[0] > allowed[1]:
        observed = "to".join(f" {count} " for count in sorted(set(counted))).strip()
        return failed(name, expected, f"expected {expected}, observed {observed}")
    return passed(name, expected)


def _only(name: str, expected: str, kinds: map[str], *, leave_out: str = "") -> Check:
    """Whether all answers are of the expected kind; those to `leave_out` are the subject of other checks."""
    observed = sorted(set(kinds) - {leave_out})
    return exact_check(name, expected, " or ".join(observed) or None)


def _kind(one: Observation) -> str:
    if is_refused(one):
        return f"429 with {MARK}" if one.header(MARK) == "true" else "429"
    return "200" if one.status == 200 and one.hops else f"status {one.status}"


def _sent(one: Observation) -> float:
    return one.ended_seconds - one.latency_seconds


def _ended(one: Observation) -> float:
    return one.ended_seconds


PROOF = Proof(
    scenario="rate-limit",
    proves="webapp's sidecar admits what its limits allow for each path, and answers 429 to the rest",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=findings,
    quality=quality,
)
