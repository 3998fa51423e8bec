"""Retry policies.

Istio, "Virtual Service", `HTTPRetry`; Envoy, "HTTP route components", `RetryPolicy`; istiod:
pilot/pkg/networking/core/route/retry/retry.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from localmesh.translate.formats import duration

Json = dict[str, Any]

# The application's 500 and 503 are not in this list: without `retryOn` they are not retried.
_DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_DEFAULT_ATTEMPTS = 2
_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_OTHER_LOCALITIES = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3"
        ".PreviousPrioritiesConfig",
        "updateFrequency": 2,
    },
}
_STATUS_CODES = frozenset(int(status) for status in HTTPStatus)

INBOUND_RETRIES: Mapping[str, Any] = {"retryOn": "reset-before-request", "numRetries": 2}
"""The retries of a sidecar towards its own application: only of requests that it has not read."""


def retry_policy(retries: Mapping[str, Any] | None, *, consistent_hash: bool = False) -> Json | None:
    """The retry policy of a route; None where retries are switched off (`attempts: 0`).

    With a single destination that is hashed consistently a retry may go to the same host again; otherwise it
    would leave the host that the hash has chosen.
    """
    retries = {"attempts": _DEFAULT_ATTEMPTS} if retries is None else retries
    if retries.get("attempts", 0) <= 0:
        return None
    ignores_previous = retries.get("retryIgnorePreviousHosts", not consistent_hash)
    return {
        **_conditions(retries.get("retryOn", "")),
        "numRetries": retries["attempts"],
        "hostSelectionRetryMaxAttempts": 5,
        **({"retryHostPredicate": [_PREVIOUS_HOSTS]} if ignores_previous else {}),
        **({"retryPriority": _OTHER_LOCALITIES} if retries.get("retryRemoteLocalities") else {}),
        **({"perTryTimeout": duration(retries["perTryTimeout"])} if "perTryTimeout" in retries else {}),
        **({"retryBackOff": {"baseInterval": duration(retries["backoff"])}} if "backoff" in retries else {}),
    }


def _conditions(retry_on: str) -> Json:
    """The conditions, with numbers among them as status codes."""
    if not retry_on:
        return {"retryOn": _DEFAULT_RETRY_ON}
    words = [word.strip() for word in retry_on.split(",") if word.strip()]
    codes = [int(word) for word in words if _is_status_code(word)]
    conditions = [word for word in words if not _is_status_code(word)]
    if not codes:
        return {"retryOn": ",".join(conditions)}
    if "retriable-status-codes" not in ",".join(conditions):
        # Istio writes a comma before it even if there is nothing else; Envoy ignores empty conditions
        conditions = [*(conditions or [""]), "retriable-status-codes"]
    return {"retryOn": ",".join(conditions), "retriableStatusCodes": codes}


def _is_status_code(word: str) -> bool:
    return word.isdigit() and int(word) in _STATUS_CODES
