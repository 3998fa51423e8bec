"""TLS origination: applications call in plain text, and the mesh speaks TLS with the services outside.

The callers are workloads with an address to call in their environment. The services outside take TLS only,
one of them only with a certificate of the client. They say how many requests came for each name that was
asked for in TLS, and whether with a certificate. Only the egress gateway has one, so a request with it has
passed the gateway.

Which host is called how is read from ServiceEntries and DestinationRules.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.outbound import services_behind
from loadgen.meshstate.pods import is_ready, name_of
from loadgen.proofs.common.access import TIMES, Access, AccessCase, access_checks, send_cases
from loadgen.proofs.common.outside_calls import OutsideCall, read_calls
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Check, exact_check

REMEDY = remedy("tls-origination")
ANSWERED = "200 of webapp, judge"
CERTIFICATES = {"SIMPLE": "no certificate", "MUTUAL": "a certificate"}
"""What a client shows in each mode."""
ARRIVED = "/arrived"
PORT = 8080


@dataclass(frozen=True, slots=True)
class Expectation:
    """The calls, the mode in which TLS begins for each host, and the Services that stand for the hosts."""

    calls: tuple[OutsideCall, ...]
    modes: Mapping[str, str]
    outside: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers, and what arrived meanwhile: requests by name and certificate."""

    access: Access
    arrived: Mapping[str, int]


def read(resources: Resources) -> Expectation:
    """The calls for which TLS begins in the mesh; raises NotConfigured unless there are both modes."""
    entries = {str(host): entry for entry in resources.service_entries for host in entry["spec"]["hosts"]}
    modes = {
        host: mode
        for host in entries
        for rule in resources.rules_of(host)
        if (mode := _mode(rule["spec"].get("trafficPolicy") or {})) in CERTIFICATES
    }
    calls = tuple(call for call in read_calls(resources, remedy=REMEDY) if call.host in modes)
    missing = [mode for mode in CERTIFICATES if mode not in {modes[call.host] for call in calls}]
    if missing:
        raise NotConfigured(f"no called host has a DestinationRule with tls.mode {missing[0]}; {REMEDY}")
    outside = {place for call in calls for place in services_behind(entries[call.host], call.host)}
    return Expectation(calls, {call.host: modes[call.host] for call in calls}, tuple(sorted(outside)))


def _mode(policy: Mapping[str, Mapping[str, str]]) -> str:
    return (policy.get("tls") or {}).get("mode", "")


def facts(expectation: Expectation) -> dict[str, str]:
    """The hosts with their modes."""
    return {"configured": ", ".join(f"{host} {mode}" for host, mode in sorted(expectation.modes.items()))}


def access_cases(expectation: Expectation) -> list[AccessCase]:
    """A sentence for every caller, which its host answers."""
    sentence = sentiment_requests()[0]
    return [
        AccessCase(f"to {call.host}", call.service, replace(sentence, path=call.path), ANSWERED)
        for call in expectation.calls
    ]


def measure(context: ProofContext, expectation: Expectation) -> Observed:
    """Send to every caller, and ask the services outside before and after."""
    before = _arrived(context, expectation)
    access = send_cases(context, access_cases(expectation))
    return Observed(access, _arrived(context, expectation) - before)


def _arrived(context: ProofContext, expectation: Expectation) -> Counter[str]:
    """What all pods of the services outside have counted."""
    counted: Counter[str] = Counter()
    for service, namespace in expectation.outside:
        with context.api.in_namespace(namespace) as api:
            pods = [pod for pod in api.pods(app=service) if is_ready(pod)]
            if not pods:
                raise UnsupportedConfig(f"no pod of {service} is ready in the namespace {namespace}")
            for pod in pods:
                counted.update(json.loads(api.pod_text(name_of(pod), PORT, ARRIVED)))
    return counted


def judge(expectation: Expectation, observed: Observed) -> list[Check]:
    """What became of each call, and how it arrived."""
    return [
        *access_checks(access_cases(expectation), observed.access.measurement),
        *(_arrival(host, CERTIFICATES[mode], observed) for host, mode in expectation.modes.items()),
    ]


def _arrival(host: str, certificate: str, observed: Observed) -> Check:
    """All requests for a host arrived over TLS, with a certificate or without."""
    found = {
        key.partition(", ")[2]: count
        for key, count in observed.arrived.items()
        if key.startswith(f"{host}, ")
    }
    text = " and ".join(f"{count:,} with {shown}" for shown, count in sorted(found.items()))
    return exact_check(f"TLS for {host}", f"{TIMES:,} with {certificate}", text or "no request")


PROOF = Proof(
    scenario="tls-origination",
    proves="the sidecar and the egress gateway speak TLS with services outside, which applications do not",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
