"""Strict mTLS: plain text is refused, and callers inside the mesh are authenticated.

Nothing of it is left to chance. From outside, requests take the API's proxy to a pod (Kubernetes'
`pods/proxy`), which connects in plain text, locally and on a cluster: each declared port of every pod must
refuse or answer it, as the mode for that port says. A connection from before the policy may be reused once,
so the first answers are not counted.

Inside, requests go through the gateway to all services. Sidecars tell a service the identity of the caller
from its certificate (`x-forwarded-client-cert`): logic has it in its log, joined by request id, and frontend
reports at /about what arrived of an identity that the caller forged.
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
from loadgen.meshstate.pods import is_ready, logged, name_of
from loadgen.meshstate.resources import Object
from loadgen.meshstate.security import STRICT, mtls_mode
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import Cause, Check, Count, exact_check, inconclusive
from loadgen.statistics.judge import judge as judge_share

REMEDY = remedy("mtls-strict")
REFUSED, ANSWERED, NOT_REACHED = "refused", "answered", "not reached"
CERTIFICATE = "x-forwarded-client-cert"
_NO_CONNECTION = "dial tcp"
FORGED = "spiffe://cluster.local/ns/forged/sa/forged"

BEFORE = 3
"""Connections to a port that the API may have kept open since before the policy."""
TIMES = 5
ROUNDS = 30
CONNECTIONS = 8
REQUESTS = (
    *sentiment_requests(),
    Request("GET", "/"),
    Request("GET", "/feedback"),
    Request("GET", "/about", ((CERTIFICATE, f"URI={FORGED}"),)),
)


@dataclass(frozen=True, slots=True)
class PortProbe:
    """A declared port of a pod, and the expected outcome of plain text."""

    pod: str
    service: str
    port: int
    path: str
    expected: str

    @property
    def name(self) -> str:
        """The name of its check, shared with the service's other pods."""
        return f"plain text to {self.service}:{self.port}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The policies, what each port must do with plain text, and the identity of logic's caller."""

    policies: tuple[Object, ...]
    probes: tuple[PortProbe, ...]
    caller: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What each port did, the answers inside the mesh, and logic's callers by request id."""

    ports: Sequence[set[str]]
    measurement: Measurement
    callers: Mapping[str, str | None]


def read(resources: Resources) -> Expectation:
    """The mode of every declared port; raises NotConfigured without a policy."""
    policies = resources.peer_authentications
    if not policies:
        raise NotConfigured(f"namespace {resources.namespace} has no PeerAuthentication; {REMEDY}")
    return Expectation(policies, tuple(port_probes(resources.pods, policies)), identity(resources, "webapp"))


def port_probes(pods: Iterable[Object], policies: Sequence[Object]) -> list[PortProbe]:
    """Every port that a container of a ready pod declares, except the sidecar's own."""
    return [
        PortProbe(
            name_of(pod),
            str(labels.get("app", name_of(pod))),
            port["containerPort"],
            "metrics" if "metrics" in port.get("name", "") else "livez",
            REFUSED if mtls_mode(policies, labels, port["containerPort"]) == STRICT else ANSWERED,
        )
        for pod in pods
        if is_ready(pod)
        for labels in [pod["metadata"].get("labels") or {}]
        for container in pod["spec"]["containers"]
        if container["name"] != "istio-proxy"
        for port in container.get("ports") or ()
    ]


def measure(context: ProofContext, expectation: Expectation) -> Observed:
    """Probe every port, send through the gateway, read the callers from logic's log."""
    ports = [_probe(context.api, probe) for probe in expectation.probes]
    plan = LoadPlan(REQUESTS, ROUNDS * len(REQUESTS), CONNECTIONS, timeout_seconds=15, keep_answers=True)
    measurement = context.send(plan)
    return Observed(ports, measurement, _callers(context.api, measurement))


def _probe(api: MeshApi, probe: PortProbe) -> set[str]:
    """The outcomes of plain text to a port."""
    refusals = [api.pod_refusal(probe.pod, probe.port, probe.path) for _ in range(BEFORE + TIMES)]
    return {port_outcome(refusal) for refusal in refusals[BEFORE:]}


def judge(expectation: Expectation, observed: Observed) -> list[Check]:
    """Every port, the requests inside, and the identities of callers."""
    checks = port_checks(expectation.probes, observed.ports)
    if not any(probe.expected == REFUSED for probe in expectation.probes):
        checks.insert(0, exact_check("ports that refuse plain text", "some", "none"))
    return [
        *checks,
        _inside(observed.measurement),
        callers_check(expectation.caller, observed.measurement, observed.callers),
        forged_identity_check(observed.measurement),
    ]


def port_outcome(refusal: str | None) -> str:
    """The outcome of plain text to a port, by the API's reason for not having an answer.

    A sidecar accepts every connection and then closes those that start in plain text. Where no connection
    was made at all (Go's `dial`), something before the sidecar refused it, such as a NetworkPolicy.
    """
    if refusal is None:
        return ANSWERED
    return NOT_REACHED if _NO_CONNECTION in refusal else REFUSED


def port_checks(probes: Sequence[PortProbe], ports: Sequence[set[str]]) -> list[Check]:
    """One check for each port of a service (and each expectation, if its pods differ)."""
    outcomes: dict[tuple[str, str], set[str]] = {}
    for probe, observed in zip(probes, ports, strict=True):
        outcomes.setdefault((probe.name, probe.expected), set()).update(observed)
    return [_port_check(name, expected, all_of) for (name, expected), all_of in sorted(outcomes.items())]


def _port_check(name: str, expected: str, outcomes: set[str]) -> Check:
    if NOT_REACHED in outcomes and outcomes <= {NOT_REACHED, expected}:
        reason = "the API server gets no connection to it: does a NetworkPolicy keep it out?"
        return inconclusive(name, expected, Cause.UNREACHABLE, reason)
    return exact_check(name, expected, " or ".join(sorted(outcomes)))


def _inside(measurement: Measurement) -> Check:
    count = Count(
        measurement.count(lambda one: one.failed and not one.abandoned),
        len(measurement),
        measurement.abandoned,
    )
    return judge_share("failures inside the mesh", "none", design(0.0, measurement.planned), count)


def _callers(api: MeshApi, measurement: Measurement) -> dict[str, str | None]:
    """The callers of logic by request id, from the log of its pods."""
    request_ids = {one.request_id for one in _sentences(measurement)}
    lines = (
        line for pod in api.pods(app="logic") for line in logged(api, pod, newest=2 * len(measurement) + 1000)
    )
    return {
        str(line["request_id"]): line.get("caller")
        for line in lines
        if "route" in line and line.get("request_id") in request_ids
    }


def _sentences(measurement: Measurement) -> list[Observation]:
    """The answers to sentences: only these requests reach logic."""
    paths = [request.path for request in REQUESTS]
    return [
        one for one in measurement.observations if paths[one.number % len(paths)] == PATH and not one.failed
    ]


def callers_check(expected: str, measurement: Measurement, callers: Mapping[str, str | None]) -> Check:
    """Whether every sentence reached logic from a caller with webapp's certificate."""
    name = "caller of logic"
    sentences = _sentences(measurement)
    known = [one for one in sentences if one.request_id in callers]
    if not known or len(known) < len(sentences):
        reason = f"logic's log has {len(known)} of {len(sentences)} requests"
        return inconclusive(name, expected, Cause.TOO_FEW, reason)
    observed = {_within_trust_domain(callers[str(one.request_id)]) for one in known}
    return exact_check(name, expected, " or ".join(sorted(observed)))


def _within_trust_domain(caller: str | None) -> str:
    """A SPIFFE identity without the trust domain, which differs from mesh to mesh."""
    return "no identity" if caller is None else caller.removeprefix("spiffe://").partition("/")[2]


def identity(resources: Resources, service: str) -> str:
    """The identity of a service's pods within the trust domain: that of their ServiceAccount."""
    accounts = {
        str(pod["spec"].get("serviceAccountName", "default"))
        for pod in (item["spec"]["template"] for item in resources.deployments_with({"app": service}))
    }
    if len(accounts) != 1:
        raise UnsupportedConfig(f"pods of {service} have {len(accounts)} ServiceAccounts: one is expected")
    return f"ns/{resources.namespace}/sa/{accounts.pop()}"


def forged_identity_check(measurement: Measurement) -> Check:
    """Whether the gateway replaced an identity that the caller forged by its own."""
    name, expected = "forged identity", "removed"
    last = len(REQUESTS) - 1
    answers = [
        one for one in measurement.observations if one.number % len(REQUESTS) == last and one.status == 200
    ]
    if len(answers) < ROUNDS:
        reason = f"only {len(answers)} of {ROUNDS} requests were answered"
        return inconclusive(name, expected, Cause.TOO_FEW, reason)
    return exact_check(name, expected, " or ".join(sorted({_forged_identity(one) for one in answers})))


def _forged_identity(one: Observation) -> str:
    arrived = json.loads(one.body)["headers"].get(CERTIFICATE)
    if arrived is None:
        return "no identity"
    return "passed on" if FORGED in arrived else "removed"


def facts(expectation: Expectation) -> dict[str, str]:
    """The policies."""
    policies = sorted(expectation.policies, key=lambda policy: str(policy["metadata"]["name"]))
    phrases = (
        f"PeerAuthentication {policy['metadata']['name']} {_modes(policy.get('spec') or {})}"
        for policy in policies
    )
    return {"configured": ", ".join(phrases)}


def _modes(spec: Object) -> str:
    modes = [str((spec.get("mtls") or {}).get("mode", ""))]
    modes += [f"{port} {mtls.get('mode', '')}" for port, mtls in (spec.get("portLevelMtls") or {}).items()]
    return " ".join(mode for mode in modes if mode)


PROOF = Proof(
    scenario="mtls-strict",
    proves="plain text from outside is refused, and callers inside are authenticated",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
