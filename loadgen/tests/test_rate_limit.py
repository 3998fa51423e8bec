"""The proof of rate limits: the configured buckets, and verdicts on made-up measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.meshstate.rate_limits import TokenBucket
from loadgen.proofs.rate_limit import Limit, Limits, Observed, burst_plan, judge, read, steady_plan
from loadgen.statistics.judge import Cause, Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

OVERLAY = "istio/overlays/rate-limit"
LIMITS = Limits(
    "EnvoyFilter sentimesh/webapp-limits",
    (Limit("/sentiment", TokenBucket(20, 10.0)), Limit("/about/webapp", TokenBucket(60, 30.0))),
)
HOPS = (Hop("webapp", "v1", "webapp-v1-1"),)
MARKED = b"HTTP/1.1 429 Too Many Requests\r\nx-local-rate-limit: true\r\n\r\n"


def configured(change: Callable[[dict[str, Any]], Any] = lambda _: None) -> Objects:
    """The overlay; `change` edits the settings of the filter."""
    objects = manifests(*BASE, OVERLAY)
    patch = named(objects, "EnvoyFilter", "webapp-limits")["spec"]["configPatches"][0]["patch"]
    change(patch["value"]["typed_config"])
    return objects


class Buckets:
    """A proxy with a token bucket for each of the two paths, which the page does not pass."""

    def __init__(self, *buckets: TokenBucket) -> None:
        self.buckets, self.tokens = buckets, [float(bucket.tokens) for bucket in buckets]
        self.time = 0.0

    def answers(self, count: int, rate: float) -> Measurement:
        """The answers to so many requests in rotation, so many a second, each after one millisecond."""
        started, observations = self.time, []
        for number in range(count):
            self.pass_time(1 / rate)
            kind = number % 3
            refused = kind < 2 and not self._take(kind)
            status, hops, head = (429, (), MARKED) if refused else (200, HOPS, b"")
            ended = self.time - started + 0.0005
            observations.append(Observation(number, status, hops, 0.001, ended_seconds=ended, head=head))
        return Measurement(observations, seconds=self.time - started, planned=count)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        for kind, bucket in enumerate(self.buckets):
            self.tokens[kind] = min(bucket.tokens, self.tokens[kind] + bucket.per_second * seconds)

    def _take(self, kind: int) -> bool:
        if self.tokens[kind] < 1:
            return False
        self.tokens[kind] -= 1
        return True


def observed(*buckets: TokenBucket, burst_rate: float = 2_000) -> Observed:
    """What the proof sees of a proxy with these buckets."""
    proxy, steady = Buckets(*buckets), steady_plan(LIMITS)
    burst = proxy.answers(burst_plan(LIMITS).count, burst_rate)
    return Observed(burst, proxy.answers(steady.count, steady.rate or 0))


def failing(*buckets: TokenBucket) -> set[str]:
    return {check.name for check in judge(LIMITS, observed(*buckets)) if check.verdict is Verdict.FAIL}


def test_the_overlay_has_a_bucket_for_sentences_and_one_for_the_rest():
    """Each with the path by which the gateway reaches it."""
    assert read(resources(configured())) == LIMITS


def test_a_typed_struct_and_names_in_camel_case_mean_the_same():
    """As in Istio's documentation, and as in Envoy's JSON."""

    def to_struct(config: dict[str, Any]) -> None:
        value = {key: config.pop(key) for key in list(config) if key != "@type"}
        value["tokenBucket"] = value.pop("token_bucket")
        config.update(type_url=config.pop("@type"), value=value)
        config["@type"] = "type.googleapis.com/udpa.type.v1.TypedStruct"

    assert read(resources(configured(to_struct))) == LIMITS


def test_without_limits_nothing_is_configured():
    """On the base, and where both paths share one bucket."""
    for objects in (base(), configured(lambda config: config.pop("descriptors"))):
        with pytest.raises(NotConfigured, match="apply the overlay, unedited"):
            read(resources(objects))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda config: config.pop("always_consume_default_token_bucket"), "the common one, too"),
        (lambda config: config.pop("token_bucket"), "no token_bucket"),
        (lambda config: config["descriptors"][0]["entries"][0].update(key="other"), "not about the path"),
        (lambda config: config["token_bucket"].update(fill_interval="10m"), "does not wait"),
    ],
)
def test_what_is_not_computed_is_unsupported(change: Callable[[dict[str, Any]], Any], reason: str):
    """Buckets whose effect is another one, or that take too long."""
    with pytest.raises(UnsupportedConfig, match=reason):
        read(resources(configured(change)))


def test_the_configured_buckets_pass():
    """Every check does."""
    checks = judge(LIMITS, observed(TokenBucket(20, 10.0), TokenBucket(60, 30.0)))

    assert {check.name: check.verdict for check in checks} == dict.fromkeys(
        [
            "burst to /sentiment",
            "refill of /sentiment",
            "burst to /about/webapp",
            "refill of /about/webapp",
            "refusals",
            "page",
        ],
        Verdict.PASS,
    )


@pytest.mark.parametrize(
    ("sentences", "names"),
    [
        (TokenBucket(23, 10.0), {"burst to /sentiment"}),
        (TokenBucket(17, 10.0), {"burst to /sentiment"}),
        (TokenBucket(20, 12.0), {"refill of /sentiment"}),
        (TokenBucket(20, 8.0), {"refill of /sentiment"}),
        (TokenBucket(1000, 10.0), {"burst to /sentiment", "refill of /sentiment"}),
    ],
)
def test_another_bucket_fails(sentences: TokenBucket, names: set[str]):
    """One that is larger or smaller by a few tokens, or refilled faster or slower by a fifth."""
    assert names <= failing(sentences, TokenBucket(60, 30.0)) <= {"burst to /sentiment", *names}


def test_a_slow_burst_is_inconclusive():
    """If the bucket could admit all of it meanwhile, nothing follows."""
    buckets = (TokenBucket(20, 10.0), TokenBucket(60, 30.0))
    checks = {check.name: check for check in judge(LIMITS, observed(*buckets, burst_rate=30))}

    assert checks["burst to /about/webapp"].cause is Cause.BUSY


def test_requests_of_others_explain_missing_tokens():
    """They may have taken them."""
    seen = observed(TokenBucket(17, 10.0), TokenBucket(60, 30.0))

    checks = judge(LIMITS, Observed(seen.burst, seen.steady, foreign_requests=3))

    assert checks[0].cause is Cause.FOREIGN_TRAFFIC
