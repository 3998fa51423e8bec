"""Egress: of all hosts outside, the workloads reach those that have a ServiceEntry, and no other.

Who calls are workloads of the mesh with an address to call in their environment (LOGIC_URL): each is given
sentences through the gateway, and its answers say what became of its own calls. Which host it calls, and
whether the mesh knows that host, is read from what is in force. What the mesh does not know must be refused
by the caller's own sidecar, with 502.

That nothing of it went out is asked of the outside itself, which counts what arrives: not of hosts that are
really outside, but of the Services that stand for them in a demonstration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import Call, NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.gateway_operations import routes_with
from loadgen.meshstate.metrics import counted
from loadgen.meshstate.outbound import Registry, registry
from loadgen.meshstate.pods import ready
from loadgen.meshstate.routes import Route
from loadgen.meshstate.shares import edge_route
from loadgen.proofs.common.access import TIMES, AccessCase, access_checks
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Check, exact_check

REMEDY = remedy("egress")
ADDRESS = "LOGIC_URL"
REACHED = "200 of webapp, logic"
REFUSED = "502 of webapp: logic answered 502"
"""webapp is the program of every caller, logic that of whoever judges; without logic nobody answered."""
ARRIVED = "sentimesh_logic_requests_total"


@dataclass(frozen=True, slots=True)
class EgressCase:
    """A path at the gateway, the Service it leads to, and the host that its workload calls then."""

    path: str
    service: str
    host: str


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read who calls whom and what is known, send everybody, ask the outside."""
    resources, known = bench.resources(), registry(bench.api, remedy=REMEDY)
    errands = errands_in_force(resources)
    outside = outside_in_force(errands, known)
    names = ", ".join(f"{host} ({known.entries[host]['metadata']['name']})" for host in sorted(known.entries))
    bench.facts["in force"] = f"{known.where}: REGISTRY_ONLY, sees {', '.join(known.imports)}"
    bench.facts["entries"] = f"ServiceEntries: {names}"
    before = _arrived(bench, known, outside)
    checks = access_checks(bench, passages(errands, known))
    if before is not None:
        after = _arrived(bench, known, outside) or 0
        checks.append(judged_arrivals(len(outside), after - before))
    if (bench.resources(), registry(bench.api, remedy=REMEDY)) != (resources, known):
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return checks


def errands_in_force(resources: Resources) -> list[EgressCase]:
    """Everybody who judges sentences at the gateway, and who is asked for it behind."""
    routes = [(PATH, edge_route(resources, Call("POST", PATH)))]
    try:
        rewritten = routes_with(resources, "rewrite", "uri")
    except NotConfigured as finding:
        raise NotConfigured(f"{finding}, so nobody is there who calls outside; {REMEDY}") from None
    routes += [(path, route) for path, route in rewritten if route.spec["rewrite"]["uri"] == PATH]
    return [EgressCase(path, *_called(resources, route)) for path, route in routes]


def outside_in_force(errands: Sequence[EgressCase], known: Registry) -> list[str]:
    """The hosts that are called and have an entry; NotInForce if none is, or if none is refused."""
    outside = [errand.host for errand in errands if errand.host in known.entries]
    if not outside:
        hosts = ", ".join(errand.host for errand in errands)
        raise NotConfigured(f"none of the hosts that are called ({hosts}) has a ServiceEntry; {REMEDY}")
    if all(known.knows(errand.host) for errand in errands):
        raise NotConfigured(f"no host is called that {known.where} does not know; {REMEDY}")
    return outside


def passages(errands: Sequence[EgressCase], known: Registry) -> list[AccessCase]:
    """A sentence for everybody, and what must become of it."""
    sentence = sentiment_requests()[0]
    return [
        AccessCase(
            f"to {errand.host}",
            errand.service,
            replace(sentence, path=errand.path),
            REACHED if known.knows(errand.host) else REFUSED,
        )
        for errand in errands
    ]


def judged_arrivals(callers: int, arrived: int) -> Check:
    """Whether the outside got what those sent it who may, and nothing else."""
    return exact_check("what arrives outside", f"{TIMES * callers:,} requests", f"{arrived:,} requests")


def _called(resources: Resources, route: Route) -> tuple[str, str]:
    """The Service that a route leads to, and the host that the container behind it is told to call."""
    hosts = [str(entry["destination"]["host"]) for entry in route.destinations]
    service = hosts[0].partition(".")[0] if len(hosts) == 1 else ""
    found = {
        str(urlsplit(variable["value"]).hostname)
        for container in _containers(resources, service)
        for variable in container.get("env") or ()
        if variable["name"] == ADDRESS
    }
    if len(found) != 1:
        raise UnsupportedConfig(
            f"{route.where} leads to {len(found)} containers with {ADDRESS}: one is expected"
        )
    return service, found.pop()


def _containers(resources: Resources, service: str) -> Iterator[Mapping[str, Any]]:
    """The containers that a Service's port leads to."""
    for spec in (item["spec"] for item in resources.services if item["metadata"]["name"] == service):
        for pod in (item["spec"]["template"] for item in resources.deployments):
            if not spec["selector"].items() <= pod["metadata"]["labels"].items():
                continue
            for container in pod["spec"]["containers"]:
                ports = container.get("ports") or ()
                names = {port.get("name") for port in ports} | {port["containerPort"] for port in ports}
                if names & {port.get("targetPort", port["port"]) for port in spec["ports"]}:
                    yield container


def _arrived(bench: ProofContext, known: Registry, hosts: Sequence[str]) -> int | None:
    """How many requests the outside has been given so far; None where the API does not lead to it."""
    places = sorted({place for host in hosts for place in known.services_behind(host)})
    total = 0.0
    for service, namespace in places:
        with bench.api.elsewhere(namespace) as api:
            if not any(ready(pod) for pod in api.pods(app=service)):
                raise UnsupportedConfig(f"no pod of {service} is ready in namespace {namespace}, outside")
            total += counted(api, service, None, ARRIVED)
    return int(total) if places else None


PROOF = Proof(
    scenario="egress",
    proves="hosts outside are reached if they have a ServiceEntry, and refused if not",
    prove=prove,
)
