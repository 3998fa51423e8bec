"""Strict mTLS: whoever comes in plain text is refused, and whoever is let in has proven who it is.

Nothing of it is left to chance. From outside, the API's way to a pod is taken (Kubernetes' `pods/proxy`),
which comes in plain text, here as on a cluster: each declared port of every pod must refuse it or answer, as
the mode in force for that port says. A connection from before the policy may be used once more, so the first
answers are not counted.

Inside, requests go through the gateway to all services. The sidecars tell a service who calls, by the
certificate that they have seen (`x-forwarded-client-cert`): logic has it in its log, joined by request id,
and frontend shows at /about what arrived of an identity that the caller made up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import MeshApi, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.api import Object
from loadgen.meshstate.mutual_tls import KIND, STRICT, mode_of
from loadgen.meshstate.pods import logged, name_of, ready
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import TRY_AGAIN, Check, Count, exact_check, inconclusive, judge

REMEDY = remedy("mtls-strict")
REFUSED, ANSWERED, NOT_REACHED = "refused", "answered", "not reached"
CERTIFICATE = "x-forwarded-client-cert"
_NO_CONNECTION = "dial tcp"
MADE_UP = "spiffe://cluster.local/ns/made-up/sa/made-up"

BEFORE = 3
"""Connections that the API may have kept open to a port from before the policy."""
TIMES = 5
ROUNDS = 30
CONNECTIONS = 8
REQUESTS = (
    *sentiment_requests(),
    Request("GET", "/"),
    Request("GET", "/feedback"),
    Request("GET", "/about", ((CERTIFICATE, f"URI={MADE_UP}"),)),
)


@dataclass(frozen=True, slots=True)
class PortProbe:
    """A declared port of a pod, and what it must do with plain text."""

    pod: str
    service: str
    port: int
    path: str
    expected: str

    @property
    def name(self) -> str:
        """The check that it belongs to, with those of the service's other pods."""
        return f"plain text to {self.service}:{self.port}"


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read the modes in force, knock at every port, send, read who called."""
    policies = bench.api.objects(*KIND)
    doors = doors_of(bench.api.pods(), policies)
    if not policies:
        raise NotConfigured(f"namespace {bench.api.namespace} has no PeerAuthentication; {REMEDY}")
    bench.facts["in force"] = fact(policies)
    checks = judged_doors(doors, [_knock(bench.api, door) for door in doors])
    if not any(door.expected == REFUSED for door in doors):
        checks.insert(0, exact_check("ports that refuse plain text", "some", "none"))
    plan = LoadPlan(REQUESTS, ROUNDS * len(REQUESTS), CONNECTIONS, timeout_seconds=15, keep_answers=True)
    measurement = bench.send(plan)
    checks.append(_inside(plan, measurement))
    checks.append(judged_callers(bench.resources(), measurement, _callers(bench.api, measurement)))
    checks.append(judged_claims(measurement))
    if bench.api.objects(*KIND) != policies:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return checks


def doors_of(pods: Iterable[Object], policies: Sequence[Object]) -> list[PortProbe]:
    """Every port that a container of a ready pod declares, except the sidecar's own."""
    return [
        PortProbe(
            name_of(pod),
            str(labels.get("app", name_of(pod))),
            port["containerPort"],
            "metrics" if "metrics" in port.get("name", "") else "livez",
            REFUSED if mode_of(policies, labels, port["containerPort"]) == STRICT else ANSWERED,
        )
        for pod in pods
        if ready(pod)
        for labels in [pod["metadata"].get("labels") or {}]
        for container in pod["spec"]["containers"]
        if container["name"] != "istio-proxy"
        for port in container.get("ports") or ()
    ]


def _knock(api: MeshApi, door: PortProbe) -> set[str]:
    """What became of plain text, each time that it was tried."""
    attempts = [api.pod_refusal(door.pod, door.port, door.path) for _ in range(BEFORE + TIMES)]
    return {became(refusal) for refusal in attempts[BEFORE:]}


def became(refusal: str | None) -> str:
    """What became of plain text, by the API's words for why no answer came.

    A sidecar takes every connection and then closes those that begin in plain text. Where none could even be
    made (Go's `dial`), something before the sidecar refused it, such as a NetworkPolicy.
    """
    if refusal is None:
        return ANSWERED
    return NOT_REACHED if _NO_CONNECTION in refusal else REFUSED


def judged_doors(doors: Sequence[PortProbe], found: Sequence[set[str]]) -> list[Check]:
    """One check for each port of a service (and each expectation, should its pods differ)."""
    outcomes: dict[tuple[str, str], set[str]] = {}
    for door, outcome in zip(doors, found, strict=True):
        outcomes.setdefault((door.name, door.expected), set()).update(outcome)
    return [_judged_door(name, expected, found) for (name, expected), found in sorted(outcomes.items())]


def _judged_door(name: str, expected: str, found: set[str]) -> Check:
    if NOT_REACHED in found and found <= {NOT_REACHED, expected}:
        reason = "the API's server gets no connection to it: does a NetworkPolicy keep it out?"
        return inconclusive(name, expected, reason)
    return exact_check(name, expected, " or ".join(sorted(found)))


def _inside(plan: LoadPlan, measurement: Measurement) -> Check:
    count = Count(
        measurement.count(lambda one: one.failed and not one.abandoned),
        len(measurement),
        measurement.count(lambda one: one.abandoned),
    )
    return judge("failures inside the mesh", "none", design(0.0, plan.count), count)


def _callers(api: MeshApi, measurement: Measurement) -> dict[str, str | None]:
    """Who called logic, by request id, as the log of its pods says."""
    asked = {one.request_id for one in _sentences(measurement)}
    lines = (
        line for pod in api.pods(app="logic") for line in logged(api, pod, newest=2 * len(measurement) + 1000)
    )
    return {
        str(line["request_id"]): line.get("caller")
        for line in lines
        if "route" in line and line.get("request_id") in asked
    }


def _sentences(measurement: Measurement) -> list[Observation]:
    """The answers to sentences: only these have been to logic."""
    paths = [request.path for request in REQUESTS]
    return [
        one for one in measurement.observations if paths[one.number % len(paths)] == PATH and not one.failed
    ]


def judged_callers(
    resources: Resources, measurement: Measurement, callers: Mapping[str, str | None]
) -> Check:
    """Whether every sentence reached logic from somebody with webapp's certificate."""
    name, expected = "who calls logic", identity(resources, "webapp")
    sentences = _sentences(measurement)
    known = [one for one in sentences if one.request_id in callers]
    if not known or len(known) < len(sentences):
        reason = f"logic's log tells of {len(known)} of {len(sentences)} requests; {TRY_AGAIN}"
        return inconclusive(name, expected, reason)
    found = {_within_trust_domain(callers[str(one.request_id)]) for one in known}
    return exact_check(name, expected, " or ".join(sorted(found)))


def _within_trust_domain(caller: str | None) -> str:
    """A SPIFFE identity without the name of the trust domain, which each mesh has its own of."""
    return "nobody" if caller is None else caller.removeprefix("spiffe://").partition("/")[2]


def identity(resources: Resources, service: str) -> str:
    """The identity of a service's pods within the trust domain: their ServiceAccount's."""
    found = {
        str(pod["spec"].get("serviceAccountName", "default"))
        for pod in (deployment["spec"]["template"] for deployment in resources.deployments)
        if (pod["metadata"].get("labels") or {}).get("app") == service
    }
    if len(found) != 1:
        raise UnsupportedConfig(f"pods of {service} have {len(found)} ServiceAccounts: one is expected")
    return f"ns/{resources.namespace}/sa/{found.pop()}"


def judged_claims(measurement: Measurement) -> Check:
    """Whether the gateway put its own identity in the place of one that the caller made up."""
    name, expected = "an identity made up outside", "taken off"
    last = len(REQUESTS) - 1
    answers = [
        one for one in measurement.observations if one.number % len(REQUESTS) == last and one.status == 200
    ]
    if len(answers) < ROUNDS:
        return inconclusive(name, expected, f"only {len(answers)} of {ROUNDS} answers came; {TRY_AGAIN}")
    return exact_check(name, expected, " or ".join(sorted({_claim(one) for one in answers})))


def _claim(one: Observation) -> str:
    arrived = json.loads(one.body)["headers"].get(CERTIFICATE)
    if arrived is None:
        return "no identity at all"
    return "passed on" if MADE_UP in arrived else "taken off"


def fact(policies: Sequence[Object]) -> str:
    """The policies, for the report."""
    return ", ".join(
        f"PeerAuthentication {policy['metadata']['name']} {_said(policy.get('spec') or {})}"
        for policy in sorted(policies, key=lambda each: str(each["metadata"]["name"]))
    )


def _said(spec: Object) -> str:
    modes = [str((spec.get("mtls") or {}).get("mode", ""))]
    modes += [f"{port} {mtls.get('mode', '')}" for port, mtls in (spec.get("portLevelMtls") or {}).items()]
    return " ".join(mode for mode in modes if mode)


PROOF = Proof(
    scenario="mtls-strict",
    proves="plain text from outside is refused, and who calls inside has proven who it is",
    prove=prove,
)
