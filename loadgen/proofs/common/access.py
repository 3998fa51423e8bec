"""Who is let in: requests that a policy admits or denies, and answers that say which.

A policy leaves nothing to chance, so each request is sent several times and every answer must be the same:
that of the expected services, or Envoy's denial. Answers of services name their origin (`served-by`), those
of Envoy give a reason, so a wrong address is not mistaken for a denial.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.pods import is_ready, name_of
from loadgen.meshstate.resources import qualified
from loadgen.meshstate.routes import edge_route
from loadgen.meshstate.security import seconds_until_applied
from loadgen.proofs.common.proof import ProofContext
from loadgen.statistics.judge import Cause, Check, exact_check, inconclusive

DENIED = "403 RBAC: access denied"
"""Envoy's answer to a request that an AuthorizationPolicy denies."""
TIMES = 20
PORT = 8080
_CONNECTIONS = 8
_LONGEST_TEXT = 80


@dataclass(frozen=True, slots=True)
class AccessCase:
    """A request through the gateway to a service, and its expected outcome in the words of `outcome`."""

    name: str
    service: str
    request: Request
    expected: str


@dataclass(frozen=True, slots=True)
class DirectCase:
    """A request without an identity, straight to the pods of services, and its expected outcome."""

    name: str
    services: tuple[str, ...]
    path: str
    expected: str
    port: int = PORT


@dataclass(frozen=True, slots=True)
class Access:
    """The answers to access cases, and those of each pod to direct cases, by name of the case."""

    measurement: Measurement
    direct: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    waited_seconds: float = 0.0


def outcome(one: Observation) -> str:
    """The status and the services that answered, or the text of an answer that is not a service's.

    A service that was denied access by another one says so at the end.
    """
    if one.status == 401:
        return "401"  # Envoy's reasons differ from version to version.
    if not one.hops:
        return with_text(one.status or 0, one.body.decode("utf-8", errors="replace"))
    return f"{one.status} of {', '.join(hop.service for hop in one.hops)}{_upstream(one)}"


def with_text(status: int, text: str) -> str:
    """The status of an error with its text, if that is short.

    >>> with_text(403, "RBAC: access denied"), with_text(200, "<!doctype html>…")
    ('403 RBAC: access denied', '200')
    """
    stripped = text.strip()
    short = status >= 400 and 0 < len(stripped) <= _LONGEST_TEXT and "\n" not in stripped
    return f"{status} {stripped}" if short else str(status)


def _upstream(one: Observation) -> str:
    if one.status not in {502, 504}:
        return ""
    try:
        upstream = json.loads(one.body)["upstream"]
        return f": {upstream['service']} answered {upstream['status']}"
    except (ValueError, KeyError, TypeError):
        return ""


def check_routes(resources: Resources, cases: Sequence[AccessCase], *, remedy: str) -> None:
    """Raise NotConfigured unless the gateway routes each request to its service."""
    for case in cases:
        request = case.request
        headers = {name.lower(): value for name, value in request.headers}
        route = edge_route(resources, Call(request.method, request.path, headers))
        hosts = {
            qualified(str(entry["destination"]["host"]), resources.namespace) for entry in route.destinations
        }
        if hosts != {qualified(case.service, resources.namespace)}:
            raise NotConfigured(
                f"{route.where} takes {request.method} {request.path}, which should lead to "
                f"{case.service}; {remedy}"
            )


def send_cases(
    context: ProofContext,
    cases: Sequence[AccessCase],
    *,
    direct: Sequence[DirectCase] = (),
    policies_changed: float | None = None,
) -> Access:
    """Wait until no connection is older than the policies, then send every case."""
    seconds = seconds_until_applied(policies_changed)
    if seconds:
        context.listener.note(f"waiting {_waiting(seconds)}")
        time.sleep(seconds)
    plan = LoadPlan(
        tuple(case.request for case in cases),
        TIMES * len(cases),
        _CONNECTIONS,
        timeout_seconds=10,
        keep_answers=True,
    )
    measurement = context.send(plan)
    return Access(
        measurement, {case.name: ask_directly(context, case) for case in direct}, waited_seconds=seconds
    )


def waited(access: Access) -> dict[str, str]:
    """The waiting, for the report."""
    return {"waited": _waiting(access.waited_seconds)} if access.waited_seconds else {}


def _waiting(seconds: float) -> str:
    return f"{math.ceil(seconds)} s, until no connection is older than the policies"


def ask_directly(context: ProofContext, case: DirectCase) -> dict[str, str]:
    """The answer of each ready pod of the services to a caller without an identity, by name of the pod.

    The API's proxy to a pod is such a caller: plain text from outside the mesh. A caller in the mesh has a
    certificate.
    """
    answers: dict[str, str] = {}
    for service in case.services:
        pods = [name_of(pod) for pod in context.api.pods(app=service) if is_ready(pod)]
        if not pods:
            raise UnsupportedConfig(f"no pod of {service} is ready")
        for pod in pods:
            path = case.path.removeprefix("/")
            answers[pod] = with_text(*context.api.pod_answer(pod, case.port, path))
    return answers


def access_checks(cases: Sequence[AccessCase], measurement: Measurement) -> list[Check]:
    """Whether all answers to each request are the expected one."""
    answers: list[list[Observation]] = [[] for _ in cases]
    for one in measurement.observations:
        answers[one.number % len(cases)].append(one)
    return [_access_check(case, own) for case, own in zip(cases, answers, strict=True)]


def _access_check(case: AccessCase, answers: Sequence[Observation]) -> Check:
    answered = [one for one in answers if one.status is not None]
    outcomes = sorted({outcome(one) for one in answered})
    if outcomes and outcomes != [case.expected]:
        return exact_check(case.name, case.expected, " or ".join(outcomes))
    if len(answered) < TIMES:
        reason = f"only {len(answered)} of {TIMES} requests were answered"
        return inconclusive(case.name, case.expected, Cause.TOO_FEW, reason)
    return exact_check(case.name, case.expected, case.expected)


def direct_checks(cases: Sequence[DirectCase], access: Access) -> list[Check]:
    """Whether every pod that was asked without an identity gave the expected answer."""
    return [direct_check(case, access.direct[case.name]) for case in cases]


def direct_check(case: DirectCase, answers: Mapping[str, str]) -> Check:
    """The check of one case, by the answers of its pods."""
    return exact_check(case.name, case.expected, " or ".join(sorted(set(answers.values()))) or None)
