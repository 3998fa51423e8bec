"""What explain says about the requests of a case, in the form of the recorded answers.

explain knows the proxies; what the stubs do is added here: they answer with the status in the path, after the
delay in it, and pass `/call/…` on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.explain import Explainer, Explanation, Message, Outcome
from localmesh.explain import Request as Imagined
from localmesh.explain.route_actions import changed_headers
from tests.conformance.behaviour.cases import Request
from tests.conformance.behaviour.sending import SLOWER

_CALL = re.compile(r"/call/([^/?]+)(/.*)")
_STATUS = re.compile(r"/status/(\d+)")
_DELAY = re.compile(r"/delay/([\d.]+)")
_OWN_HEADERS = {"served-by": "web", "content-type": "application/json"}
_TIMEOUT = {"status": 504, "text": "upstream request timeout"}


@dataclass(frozen=True)
class Predicted:
    """One possible answer, the version that gives it ("" for a proxy), and its odds in percent."""

    percent: float
    version: str
    answer: Mapping[str, Any]


def predictions(explainer: Explainer, request: Request) -> list[Predicted]:
    """All that can happen to a request to the gateway, and to the one that the client makes of it."""
    headers = {"host": request.host, **request.headers}
    outside = Imagined(request.host, request.path, request.method, headers=headers)
    entered = explainer.explain(outside)
    call = _CALL.fullmatch(request.path)
    if call is None or entered.answer is not None:
        return list(_predicted(entered, request))
    return list(_predicted(explainer.explain(_call(entered, call[1], call[2])), request))


def _call(entered: Explanation, authority: str, path: str) -> Imagined:
    (outcome,) = entered.outcomes
    assert outcome.message is not None
    message, source = outcome.message, f"{outcome.workload}.{outcome.namespace}"
    return Imagined(authority, path, message.method, headers=message.headers, source=source)


def _predicted(explanation: Explanation, request: Request) -> Iterator[Predicted]:
    for outcome in explanation.outcomes:
        seconds = _injected_delay(explanation)
        if outcome.answer is not None:
            own = outcome.answer
            answer = {"status": own.status, "text": own.body.strip(), "headers": _shown(own.headers, request)}
            yield _timed(outcome, "", answer, seconds)
        else:
            yield _of_application(explanation, outcome, request, seconds)


def _of_application(
    explanation: Explanation, outcome: Outcome, request: Request, injected: float
) -> Predicted:
    message = outcome.message
    assert message is not None
    delay, status = _DELAY.search(message.path), _STATUS.search(message.path)
    takes, answered = float(delay[1]) if delay else 0.0, int(status[1]) if status else 200
    attempts, limit = _attempts(explanation, takes, answered)
    if limit is not None:
        return _timed(outcome, "", _TIMEOUT, injected + limit)
    response = changed_headers(_OWN_HEADERS, outcome.response_changes)
    answer = {
        "status": answered,
        "headers": _shown(response, request),
        "attempts": str(attempts),
        "path": message.path,
        "saw": _seen(message, request),
    }
    return _timed(outcome, outcome.workload.rpartition("-")[2], answer, injected + takes)


def _attempts(explanation: Explanation, takes: float, status: int) -> tuple[int, float | None]:
    """How often the application is asked, and after how many seconds the proxy gives up, if it does."""
    actions = _routing(explanation).actions
    retries = actions.retries or {}
    most = 1 + int(retries.get("numRetries", 1)) if retries else 1
    limit = _seconds(actions.timeout) or float("inf")
    per_try = _seconds(retries.get("perTryTimeout", "")) or float("inf")
    if takes > per_try:
        is_retried = "5xx" in retries["retryOn"] or "gateway-error" in retries["retryOn"]
        return most, min(limit, per_try * (most if is_retried else 1))
    if takes > limit:
        return 1, limit
    return most if _is_retried(retries, status) else 1, None


def _is_retried(retries: Mapping[str, Any], status: int) -> bool:
    conditions = retries.get("retryOn", "").split(",")
    return (
        ("5xx" in conditions and status >= 500)
        or ("gateway-error" in conditions and status in (502, 503, 504))
        or ("retriable-status-codes" in conditions and status in retries.get("retriableStatusCodes", ()))
    )


def _injected_delay(explanation: Explanation) -> float:
    faults = _routing(explanation).actions.faults
    return sum(_seconds(fault.delay) for fault in faults if fault.percent == 100)


def _routing(explanation: Explanation) -> Any:
    return next(hop.routing for hop in explanation.hops if hop.routing is not None)


def _shown(headers: Mapping[str, str], request: Request) -> dict[str, str]:
    return {name: headers[name] for name in request.shows if name in headers}


def _seen(message: Message, request: Request) -> dict[str, str]:
    """Headers as the stub reports them: of repeated ones it puts a blank between the values."""
    values = ((name, message.header(name)) for name in request.saw)
    return {name: value.replace(",", ", ") for name, value in values if value is not None}


def _timed(outcome: Outcome, version: str, answer: Mapping[str, Any], seconds: float) -> Predicted:
    took = next((words for limit, words in SLOWER if seconds >= limit), "at once")
    shown = {name: value for name, value in {**answer, "took": took}.items() if value}
    return Predicted(outcome.percent, version, shown)


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s") or 0)
