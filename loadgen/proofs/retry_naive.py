"""Retries as many tutorials have them, without `retryOn`: failures of the application are never retried.

Istio's default conditions retry only what certainly did not reach the application (refused connections,
reset streams). Neither its failures nor attempts that time out are among them. The deadline of each attempt
even turns hangs into failures sooner, and that is the only effect of these lines.
"""

from __future__ import annotations

from dataclasses import replace

from loadgen.meshstate import NotConfigured, Resources
from loadgen.proofs.common.attempts import retry_proof
from loadgen.proofs.common.prediction import Prediction, is_success, read_prediction
from loadgen.proofs.common.proof import remedy
from loadgen.statistics.binomial import percent

REMEDY = remedy("retry-naive")


def read(resources: Resources) -> Prediction:
    """The prediction, if the route has retries that apply to none of the failures here."""
    prediction = read_prediction(resources, remedy=REMEDY)
    if prediction.policy.attempts <= 1:
        raise NotConfigured(f"{prediction.split.where} has no retries; {REMEDY}")
    if prediction.policy.retries_errors or prediction.policy.retries_timeouts:
        raise NotConfigured(f"{prediction.split.where} retries failures, so it is not naive; {REMEDY}")
    return prediction


def effect(prediction: Prediction) -> str:
    """What these retries do, and what they would do with conditions."""
    actual, _ = prediction.share(is_success)
    intended, _ = prediction.share(
        is_success, replace(prediction.policy, retries_errors=True, retries_timeouts=True)
    )
    return (
        f"{percent(actual)} of all requests succeed, as without retries; "
        f"with `retryOn: 5xx` {percent(intended)} would"
    )


PROOF = retry_proof(
    "retry-naive",
    "without `retryOn` no failure of the application is retried, so retries do not help",
    read,
    effect,
    (("successes", is_success),),
)
