"""Retry policies (Istio, "Virtual Service", `HTTPRetry`; Envoy, "HTTP route components", `RetryPolicy`)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from localmesh.translate.durations import duration

Json = dict[str, Any]

# Neither a 500 nor a 503 of the application is in this list: without `retryOn` they are not retried.
_DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_STATUS_CODES = frozenset(int(status) for status in HTTPStatus)

INBOUND: Mapping[str, Any] = {"retryOn": "reset-before-request", "numRetries": 2}
"""Retries of a sidecar towards its own application: only of requests that it never read."""


def retry_policy(retries: Mapping[str, Any] | None, *, consistent_hash: bool = False) -> Json | None:
    """The policy of a route; None where retries are switched off (`attempts: 0`).

    With one consistent-hash destination a retry may go to the same host again, or it would leave the
    host that the hash chose.
    """
    policy: Json = {"retryOn": _DEFAULT_RETRY_ON, "numRetries": 2, "hostSelectionRetryMaxAttempts": 5}
    if not consistent_hash:
        policy["retryHostPredicate"] = [_PREVIOUS_HOSTS]
    if retries is None:
        return policy
    if retries.get("attempts", 0) <= 0:
        return None
    policy["numRetries"] = retries["attempts"]
    if retries.get("retryOn"):
        _set_conditions(policy, retries["retryOn"])
    if "perTryTimeout" in retries:
        policy["perTryTimeout"] = duration(retries["perTryTimeout"])
    if "retryIgnorePreviousHosts" in retries:
        policy.pop("retryHostPredicate", None)
        if retries["retryIgnorePreviousHosts"]:
            policy["retryHostPredicate"] = [_PREVIOUS_HOSTS]
    if "backoff" in retries:
        policy["retryBackOff"] = {"baseInterval": duration(retries["backoff"])}
    return policy


def _set_conditions(policy: Json, retry_on: str) -> None:
    words = [word.strip() for word in retry_on.split(",") if word.strip()]
    codes = [int(word) for word in words if word.isdigit() and int(word) in _STATUS_CODES]
    conditions = [word for word in words if not (word.isdigit() and int(word) in _STATUS_CODES)]
    if codes:
        policy["retriableStatusCodes"] = codes
        if "retriable-status-codes" not in ",".join(conditions):
            # Istio puts a comma before it even where nothing else is written; Envoy skips empty words
            conditions = [*(conditions or [""]), "retriable-status-codes"]
    policy["retryOn"] = ",".join(conditions)
