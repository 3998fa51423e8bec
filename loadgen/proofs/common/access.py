"""Who is let in: requests that a policy lets pass or refuses, and answers that say which.

A policy leaves nothing to chance, so each request is sent a few times and every answer must be the same:
that of the services that were meant to give it, or Envoy's own refusal. The answers of services say who
gave them (`served-by`), and Envoy's say why, so a wrong address cannot be taken for a refusal.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.pods import name_of, ready
from loadgen.meshstate.policies import Policies, seconds_to_wait
from loadgen.meshstate.routes import qualified
from loadgen.meshstate.shares import edge_route
from loadgen.proofs.common.proof import ProofContext
from loadgen.statistics.judge import TRY_AGAIN, Check, exact_check, inconclusive

DENIED = "403 RBAC: access denied"
"""What Envoy answers to whom an AuthorizationPolicy refuses."""
TIMES = 20
PORT = 8080
_CONNECTIONS = 8
_LONGEST_WORDS = 80


@dataclass(frozen=True, slots=True)
class AccessCase:
    """A request through the gateway to a service, and what must become of it, as `outcome` says it."""

    name: str
    service: str
    request: Request
    expected: str


def outcome(one: Observation) -> str:
    """The status and who answered it: services by their names, or whoever else by their words.

    A service that was refused by another one says so behind it.
    """
    if one.status == 401:
        return "401"  # Envoy's words for why differ from version to version
    if not one.hops:
        return spoken(one.status or 0, one.body.decode("utf-8", errors="replace"))
    found = f"{one.status} of {', '.join(hop.service for hop in one.hops)}"
    return found + _upstream(one)


def spoken(status: int, text: str) -> str:
    """A status with the words that came with it, if they are few.

    >>> spoken(403, "RBAC: access denied"), spoken(200, "<!doctype html>…")
    ('403 RBAC: access denied', '200')
    """
    words = text.strip()
    few = status >= 400 and 0 < len(words) <= _LONGEST_WORDS and "\n" not in words
    return f"{status} {words}" if few else str(status)


def _upstream(one: Observation) -> str:
    if one.status not in {502, 504}:
        return ""
    try:
        upstream = json.loads(one.body)["upstream"]
        return f": {upstream['service']} answered {upstream['status']}"
    except (ValueError, KeyError, TypeError):
        return ""


def check_routes(resources: Resources, passages: Sequence[AccessCase], *, remedy: str) -> None:
    """Raise NotInForce unless the gateway routes each request to its service."""
    for passage in passages:
        request = passage.request
        headers = {name.lower(): value for name, value in request.headers}
        route = edge_route(resources, Call(request.method, request.path, headers))
        hosts = {
            qualified(str(entry["destination"]["host"]), resources.namespace) for entry in route.destinations
        }
        if hosts != {qualified(passage.service, resources.namespace)}:
            raise NotConfigured(
                f"{route.where} takes {request.method} {request.path}, which is to lead to "
                f"{passage.service}; {remedy}"
            )


def wait_for_connections(bench: ProofContext, found: Policies) -> None:
    """Wait until no connection in the mesh is older than the policies, which it may not know yet."""
    seconds = seconds_to_wait(found)
    if seconds:
        waited = f"{math.ceil(seconds)} s, until no connection is older than the policies"
        bench.listener.note(f"waiting {waited}")
        time.sleep(seconds)
        bench.facts["waited"] = waited


def access_checks(bench: ProofContext, passages: Sequence[AccessCase]) -> list[Check]:
    """Send each request some times, and compare."""
    plan = LoadPlan(
        tuple(passage.request for passage in passages),
        TIMES * len(passages),
        _CONNECTIONS,
        timeout_seconds=10,
        keep_answers=True,
    )
    return judged(passages, bench.send(plan))


def judged(passages: Sequence[AccessCase], measurement: Measurement) -> list[Check]:
    """Whether all answers to each request are as they must be."""
    answers: list[list[Observation]] = [[] for _ in passages]
    for one in measurement.observations:
        answers[one.number % len(passages)].append(one)
    return [_judged(passage, own) for passage, own in zip(passages, answers, strict=True)]


def _judged(passage: AccessCase, answers: Sequence[Observation]) -> Check:
    came = [one for one in answers if one.status is not None]
    found = sorted({outcome(one) for one in came})
    if found and found != [passage.expected]:
        return exact_check(passage.name, passage.expected, " or ".join(found))
    if len(came) < TIMES:
        return inconclusive(
            passage.name, passage.expected, f"only {len(came)} of {TIMES} answers came; {TRY_AGAIN}"
        )
    return exact_check(passage.name, passage.expected, passage.expected)


def asked_past_the_gateway(
    bench: ProofContext, service: str, path: str, *, port: int = PORT
) -> dict[str, str]:
    """What each ready pod of a service answers to a caller without an identity, by the pod's name.

    The API's way to a pod is such a caller: plain text, from outside of the mesh. A caller in the mesh
    comes with its certificate.
    """
    pods = [pod for pod in bench.api.pods(app=service) if ready(pod)]
    if not pods:
        raise UnsupportedConfig(f"no pod of {service} is ready to be asked")
    return {
        name_of(pod): spoken(*bench.api.pod_answer(name_of(pod), port, path.removeprefix("/")))
        for pod in pods
    }


def past_the_gateway_check(name: str, expected: str, answers: dict[str, str]) -> Check:
    """Whether every pod that was asked without an identity answered the same, as it must."""
    return exact_check(name, expected, " or ".join(sorted(set(answers.values()))) or None)
