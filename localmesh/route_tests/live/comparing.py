"""Where the answers of real Envoys are not what an explanation says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from localmesh.explain import Answer, Explanation, HopKind, Message, Outcome
from localmesh.problems.fields import listed
from localmesh.route_tests.checks import text
from localmesh.route_tests.live.sending import LiveAnswer

SAMPLES = 60
"""Requests for a case with several outcomes: one of 20 % is missed in one of 650,000 such cases."""
_EXPECTED_IN_SAMPLES = 20.0
"""An outcome with at least these odds, in percent, must be seen."""

_ARRIVAL = "a request at"
_OF_UPSTREAM = "x-envoy-upstream-service-time"
"""The header that Envoy adds to what it has not answered itself."""

WorkloadOf = Callable[[str], str]
"""The workload of a pod, as `namespace/name`."""


def cannot_be_sent(explanation: Explanation) -> str:
    """Why a request is not sent; "" if it can be."""
    first = explanation.hops[0]
    if first.kind is HopKind.DIRECT:
        return "the caller has no sidecar"
    if explanation.request.scheme != "http":
        return "only http:// is sent"
    if not first.listener:
        return "the gateway has no listener for it"
    if any(outcome.answer is None and not outcome.workload for outcome in explanation.outcomes):
        return "it would leave the mesh"
    return ""


def samples_of(explanation: Explanation) -> int:
    """How many requests show all that can happen."""
    return 1 if len({outcome_text(outcome) for outcome in explanation.outcomes}) == 1 else SAMPLES


def disagreements(
    explanation: Explanation, answers: Sequence[LiveAnswer], workload_of: WorkloadOf
) -> Iterator[str]:
    """What Envoy did differently, in a line each."""
    explained = {outcome_text(outcome): outcome.percent for outcome in explanation.outcomes}
    seen = dict.fromkeys(seen_text(answer, explained, workload_of) for answer in answers)
    others = [outcome for outcome in seen if outcome not in explained]
    missing = [
        outcome
        for outcome, percent in explained.items()
        if percent >= _EXPECTED_IN_SAMPLES and outcome not in seen and not _is_hashed(explanation)
    ]
    if others or missing:
        yield f"explained {listed(explained, 'or')}; Envoy: {listed(seen, 'or')}"
    for answer in answers:
        own = seen_text(answer, explained, workload_of)
        arriving = [each for each in explanation.outcomes if outcome_text(each) == own]
        message = arriving[0].message if arriving else None
        if message is not None and answer.arrived is not None:
            differing = dict(_differing(message, answer.arrived))
            if differing:
                yield f"explained {text({k: v for k, (v, _) in differing.items()})}; " + (
                    f"Envoy: {text({k: v for k, (_, v) in differing.items()})}"
                )
                return


def outcome_text(outcome: Outcome) -> str:
    """An outcome in words, by which it is compared."""
    if outcome.answer is None:
        return f"{_ARRIVAL} {outcome.namespace}/{outcome.workload}"
    return _answer(outcome.answer)


def _answer(answer: Answer) -> str:
    if answer.status is None:
        return "a closed connection"
    location = answer.headers.get("location")
    return f"{answer.status}" + (f" to {location}" if location else "")


def seen_text(answer: LiveAnswer, explained: Collection[str], workload_of: WorkloadOf) -> str:
    """What happened; an application that does not name its pod is one of those that are explained."""
    if answer.pod:
        return f"{_ARRIVAL} {workload_of(answer.pod)}"
    seen = _answer(Answer(answer.status, headers=answer.headers))
    if seen not in explained and _OF_UPSTREAM in answer.headers:
        return next((outcome for outcome in explained if outcome.startswith(_ARRIVAL)), seen)
    return seen


def _is_hashed(explanation: Explanation) -> bool:
    """Whether equal requests go to the same pod."""
    return any(hop.routing is not None and hop.routing.actions.hash_policy for hop in explanation.hops)


def _differing(
    message: Message, arrived: Mapping[str, object]
) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    """The path, the host and the headers that arrived otherwise, without those that proxies add to all."""
    headers = arrived["headers"]
    assert isinstance(headers, Mapping)  # noqa: S101 - checked where the answer is read
    pairs = {
        "path": (message.path, str(arrived.get("path"))),
        "host": (message.authority, headers.get("host")),
    }
    pairs |= {
        name: (value, _joined(headers.get(name))) for name, value in message.headers.items() if _is_own(name)
    }
    for name, (explained, seen) in pairs.items():
        if explained != seen:
            yield name, (explained, seen)


def _joined(value: str | None) -> str | None:
    """Several headers of one name as Envoy joins them: stubs add a space."""
    return value.replace(", ", ",") if value is not None else None


def _is_own(name: str) -> bool:
    return not name.startswith(("x-forwarded-", "x-envoy-", "x-request-id", "x-b3-", "traceparent"))
