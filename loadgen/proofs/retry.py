"""Retries: a failing version is tried again, as often as the policy allows, and most users never notice.

A retry stays in the subset that the weights chose, so it helps only because every attempt draws its fate
again. Sending is paced: an attempt that timed out goes on hanging in the pod, where it occupies a thread.
"""

from __future__ import annotations

from dataclasses import replace

from loadgen.meshstate import NotConfigured, Resources
from loadgen.proofs.common.attempts import retry_proof
from loadgen.proofs.common.prediction import Prediction, is_success, is_success_of_retry, read_prediction
from loadgen.proofs.common.proof import remedy
from loadgen.statistics.binomial import percent

REMEDY = remedy("retry")


def read(resources: Resources) -> Prediction:
    """The prediction, if the route retries failures."""
    prediction = read_prediction(resources, remedy=REMEDY)
    if not (prediction.policy.attempts > 1 and prediction.policy.retries_errors):
        split = prediction.split
        raise NotConfigured(f"{split.where} does not retry failures of {split.service}; {REMEDY}")
    return prediction


def effect(prediction: Prediction) -> str:
    """The share of successes without and with retries, in one sentence."""
    before, _ = prediction.share(is_success, replace(prediction.policy, attempts=1))
    after, _ = prediction.share(is_success)
    return f"{percent(before)} of all requests would succeed without retries, {percent(after)} do with them"


PROOF = retry_proof(
    "retry",
    "failures are retried as often as allowed, and succeed as often as predicted",
    read,
    effect,
    (
        ("successes", is_success),
        ("successes by a retry", is_success_of_retry),
    ),
)
