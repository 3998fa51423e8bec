"""Holds what explain predicts for a request against what real Envoys and applications made of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from localmesh.explain import Answer as OwnAnswer
from localmesh.explain import Explanation, Message, Outcome
from localmesh.explain.route_actions import changed_headers
from localmesh.tests.agreement.asking import Answer, Asked
from localmesh.tests.agreement.world import FLAGS_HEADER

UNPREDICTED = re.compile(
    r"host|content-length|x-request-id|x-envoy-.*|x-forwarded-.*|x-b3-.*|traceparent|tracestate|via"
)
"""Request headers whose values differ from run to run, or that Envoys add for each other."""
STUB_HEADERS = {"content-type": "application/json"}
"""The headers of the applications' responses that routes of the examples change."""
_OWN = re.compile(rf"x-envoy-.*|{FLAGS_HEADER}")
"""Response headers that are Envoy's own; others in an answer of a proxy are of its route."""
OVERWRITTEN = {"server"}
"""Response headers that Envoy writes after routes have changed them."""
_UNKNOWN = re.compile(r"%[A-Z_]+[(%]")
"""A command operator whose value cannot be predicted: explain leaves it as it is."""
_URI = re.compile(r"URI=([^;,]*)")
_STATUS = re.compile(r"/status/([2-5]\d\d)(?=[/?]|$)")


def disagreements(
    explanation: Explanation, asked: Asked, answer: Answer, workload: str, *, shows_callers: bool = True
) -> list[str]:
    """How the answer differs from the most similar outcome; empty if one of them is what happened.

    `workload` is that of the pod that answered, with its namespace, "" if no application did; its sidecar
    tells it who calls if `shows_callers`.
    """
    possible = [outcome for outcome in explanation.outcomes if outcome.percent > 0]
    found = [list(_differences(outcome, asked, answer, workload, shows_callers)) for outcome in possible]
    return min(found, key=_similarity, default=["no outcome is predicted"])


def _similarity(differences: list[str]) -> tuple[bool, int]:
    """Smaller for outcomes in which the same workload answers, then for those with fewer differences."""
    return any(difference.startswith("answered by") for difference in differences), len(differences)


def is_predicted(explanation: Explanation) -> bool:
    """Whether explain says what answers: hosts outside the mesh may answer anything."""
    return all(outcome.answer is not None or outcome.workload for outcome in explanation.outcomes)


def _differences(
    outcome: Outcome, asked: Asked, answer: Answer, workload: str, shows_callers: bool
) -> Iterator[str]:
    if outcome.answer is None and not outcome.workload:
        return  # what an application outside the mesh answers is not predicted
    predicted = f"{outcome.workload}.{outcome.namespace}" if outcome.answer is None else "a proxy"
    yield from _unequal("answered by", predicted, workload or "a proxy")
    if outcome.answer is not None:
        yield from _of_a_proxy(outcome.answer, asked, answer)
        if FLAGS_HEADER in answer.headers:
            yield from _unequal("response flags", outcome.answer.flag or "-", _flags(answer))
    elif outcome.message is not None:
        yield from _of_an_application(outcome.message, answer)
        if answer.saw and shows_callers:
            yield from _unequal("identity", outcome.message.identity, _caller(answer.saw["headers"]))
        yield from _response_headers(outcome, answer)


def _flags(answer: Answer) -> str:
    """The response flags of the proxy that answered, without that of a delay, which causes no answer."""
    return ",".join(flag for flag in answer.headers[FLAGS_HEADER][0].split(",") if flag != "DI") or "-"


def _of_a_proxy(predicted: OwnAnswer, asked: Asked, answer: Answer) -> Iterator[str]:
    yield from _unequal("status", predicted.status or 0, answer.status)
    unpredicted = {name for name in answer.headers if name.startswith("x-") and not _OWN.fullmatch(name)}
    for name in sorted((predicted.headers.keys() | unpredicted) - OVERWRITTEN):
        yield from _unequal_header(name, predicted.headers.get(name), answer)
    if predicted.body and asked.method != "HEAD":
        yield from _unequal("body", predicted.body, answer.body)


def _of_an_application(message: Message, answer: Answer) -> Iterator[str]:
    chosen = _STATUS.search(message.path)
    yield from _unequal("status", int(chosen[1]) if chosen else 200, answer.status)
    if not answer.saw:
        return
    seen: Mapping[str, str] = answer.saw["headers"]
    yield from _unequal("method", message.method, answer.saw["method"])
    yield from _unequal("path", message.path, answer.saw["path"])
    yield from _unequal("authority", message.authority, seen.get("host"))
    unknown = {name for name, value in message.headers.items() if _UNKNOWN.search(value)}
    yield from _unequal("unknown headers", True, unknown <= seen.keys())
    yield from _unequal("headers", _predictable(message.headers, unknown), _predictable(seen, unknown))


def _caller(seen: Mapping[str, str]) -> str:
    """The identity that the sidecar has verified, "" if there was none."""
    callers = _URI.findall(seen.get("x-forwarded-client-cert", ""))
    return callers[-1] if callers else ""


def _response_headers(outcome: Outcome, answer: Answer) -> Iterator[str]:
    names = {change.name.lower() for change in outcome.response_changes} - OVERWRITTEN
    changed = changed_headers(STUB_HEADERS, outcome.response_changes)
    for name in sorted(names):
        yield from _unequal_header(name, changed.get(name), answer)


def _unequal_header(name: str, predicted: str | None, answer: Answer) -> Iterable[str]:
    was = _joined(answer, name)
    if predicted is not None and was is not None and _UNKNOWN.search(predicted):
        return ()
    return _unequal(f"response header {name}", predicted, was)


def _joined(answer: Answer, name: str) -> str | None:
    return ",".join(answer.headers[name]) if name in answer.headers else None


def _predictable(headers: Mapping[str, str], unknown: Collection[str]) -> dict[str, str]:
    """The headers to compare; of repeated ones the stub puts a blank between the values."""
    return {
        name: value.replace(", ", ",")
        for name, value in sorted(headers.items())
        if name not in unknown and not UNPREDICTED.fullmatch(name)
    }


def _unequal(what: str, predicted: object, was: object) -> Iterable[str]:
    return () if predicted == was else (f"{what}: predicted {predicted}, was {was}",)
