"""Egress: workloads reach those external hosts that have a ServiceEntry, and no others.

The callers are workloads of the mesh with an address to call in their environment (LOGIC_URL). Each gets
sentences through the gateway, and its answers report the results of its own calls. Which host it calls, and
whether the mesh knows that host, is read from the configuration. The caller's own sidecar must reject calls
to hosts that the mesh does not know, with 502.

The destination counts the requests that arrive, which shows that none of those calls left the pod. It is not
a real external host, but a Service that represents one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.outbound import Registry, read_registry
from loadgen.meshstate.pods import is_ready, metric_sum
from loadgen.proofs.common.access import TIMES, Access, AccessCase, access_checks, send_cases
from loadgen.proofs.common.outside_calls import OutsideCall, read_calls
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Check, exact_check

REMEDY = remedy("egress")
REACHED = "200 of webapp, logic"
REJECTED = "502 of webapp: logic answered 502"
"""webapp is the program of every caller, logic that of every destination; here no logic has answered."""
ARRIVED_METRIC = "sentimesh_logic_requests_total"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The callers, and the hosts that the mesh knows."""

    cases: tuple[OutsideCall, ...]
    registry: Registry

    @property
    def external_hosts(self) -> list[str]:
        """The called hosts that have a ServiceEntry."""
        return [case.host for case in self.cases if case.host in self.registry.entries]


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers, and how many requests arrived at the destinations; None where they cannot be asked."""

    access: Access
    arrived: int | None


def read(resources: Resources) -> Expectation:
    """The callers and the registry; raises NotConfigured unless some host is known and another is not."""
    expectation = Expectation(
        tuple(read_calls(resources, remedy=REMEDY)), read_registry(resources, remedy=REMEDY)
    )
    if not expectation.external_hosts:
        hosts = ", ".join(case.host for case in expectation.cases)
        raise NotConfigured(f"none of the called hosts ({hosts}) has a ServiceEntry; {REMEDY}")
    if all(expectation.registry.knows(case.host) for case in expectation.cases):
        raise NotConfigured(f"every called host is known to {expectation.registry.where}; {REMEDY}")
    return expectation


def facts(expectation: Expectation) -> dict[str, str]:
    """The Sidecar and the ServiceEntries."""
    registry = expectation.registry
    entries = (f"{host} ({entry['metadata']['name']})" for host, entry in sorted(registry.entries.items()))
    return {
        "configured": f"{registry.where}: REGISTRY_ONLY, imports {', '.join(registry.imports)}",
        "entries": f"ServiceEntries: {', '.join(entries)}",
    }


def measure(context: ProofContext, expectation: Expectation) -> Observed:
    """Send to every caller, and ask the destinations before and after."""
    before = _arrived(context, expectation)
    access = send_cases(context, access_cases(expectation))
    if before is None:
        return Observed(access, None)
    return Observed(access, (_arrived(context, expectation) or 0) - before)


def access_cases(expectation: Expectation) -> list[AccessCase]:
    """A sentence for every caller, and its expected outcome."""
    sentence = sentiment_requests()[0]
    return [
        AccessCase(
            f"to {case.host}",
            case.service,
            replace(sentence, path=case.path),
            REACHED if expectation.registry.knows(case.host) else REJECTED,
        )
        for case in expectation.cases
    ]


def judge(expectation: Expectation, observed: Observed) -> list[Check]:
    """What became of each call, and whether only the allowed ones arrived."""
    checks = access_checks(access_cases(expectation), observed.access.measurement)
    if observed.arrived is not None:
        checks.append(arrivals_check(len(expectation.external_hosts), observed.arrived))
    return checks


def arrivals_check(callers: int, arrived: int) -> Check:
    """Whether the destinations received the requests of the allowed callers, and no others."""
    return exact_check("arrived outside", f"{TIMES * callers:,} requests", f"{arrived:,} requests")


def _arrived(context: ProofContext, expectation: Expectation) -> int | None:
    """How many requests the destinations have received so far; None where the API does not lead to them."""
    registry = expectation.registry
    services = {place for host in expectation.external_hosts for place in registry.services_behind(host)}
    total = 0.0
    for service, namespace in sorted(services):
        with context.api.in_namespace(namespace) as api:
            if not any(is_ready(pod) for pod in api.pods(app=service)):
                raise UnsupportedConfig(f"no pod of {service} is ready in the external namespace {namespace}")
            total += metric_sum(api, service, None, ARRIVED_METRIC)
    return int(total) if services else None


PROOF = Proof(
    scenario="egress",
    proves="external hosts are reached if they have a ServiceEntry, and rejected if not",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
)
