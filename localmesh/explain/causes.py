"""What usually causes an answer that no application gave: sentences for people, with places and fixes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from localmesh.analysis import analyze
from localmesh.catalog import Catalog, Service
from localmesh.explain.cause import Cause
from localmesh.explain.explainer import Explainer
from localmesh.explain.explanation import Destination, Explanation, Hop, HopKind, Outcome, Routing
from localmesh.explain.hints import hints
from localmesh.explain.host_choice import Candidate, HostChoice
from localmesh.explain.involved import OF_GATEWAYS, Involved, blamed_kinds, choice_at, is_lost
from localmesh.explain.security_causes import of_connections, of_policies, of_tokens
from localmesh.formats.hostnames import SERVICE_DOMAIN
from localmesh.problems import FieldPath, Problem
from localmesh.problems.fields import listed
from localmesh.translate.formats import ALLOW_ANY

_HTTP = FieldPath("spec", "http")


def causes(explainer: Explainer, explanation: Explanation) -> list[Cause]:
    """The causes of the answers that proxies give, the nearest first, and warnings about what is involved."""
    found = [
        *_of_routing(explainer, explanation),
        *of_connections(explanation),
        *of_tokens(explanation),
        *of_policies(explanation),
        *_of_outcomes(explainer, explanation),
        *hints(explainer.catalog, explanation),
    ]
    objects = Involved(explainer, explanation)
    problems = [problem for problem in analyze(explainer.catalog) if objects.concerned_by(problem)]
    blamed = blamed_kinds(explanation)
    warnings = [
        Cause(problem.message, problem.fix, problem=problem, is_warning=str(problem.place.kind) not in blamed)
        for problem in problems
    ]
    own = [cause for cause in found if not _is_repeated(cause, problems)]
    return sorted(dict.fromkeys((*own, *warnings)), key=lambda cause: cause.is_warning)


def _is_repeated(cause: Cause, problems: Iterable[Problem]) -> bool:
    """Whether a warning about a Gateway says the same about the same field with more detail."""
    reference = cause.reference
    return reference is not None and any(
        problem.code in OF_GATEWAYS
        and problem.place == reference.resource.place
        and reference.path.contains(problem.path)
        for problem in problems
    )


def _of_routing(explainer: Explainer, explanation: Explanation) -> Iterator[Cause]:
    """Why no rule took the request, or none of the mesh's."""
    for hop in explanation.hops:
        routing = hop.routing
        if hop.kind is HopKind.GATEWAY and not hop.listener and routing is None:
            yield from _of_ports(explainer.catalog, hop)
        if routing is None or not routing.configuration:
            continue
        choice = choice_at(explainer, hop)
        if choice is None:
            continue
        if not is_lost(hop):
            yield from _by_default(hop, routing, choice)
            continue
        if routing.skipped:
            names = listed(reference.subject for reference in choice.virtual_services)
            yield Cause(
                f"no rule of {names} matches {hop.message.method} {hop.message.path}; there is no rule for "
                "all other requests",
                "correct the conditions above, or add a last rule without match",
                choice.virtual_services[0] if choice.virtual_services else None,
            )
        else:
            yield Cause(_no_host(hop))
        for candidate in choice.others:
            yield _of_candidate(candidate)
        if routing.rule is not None and routing.rule.name == ALLOW_ANY and _has_port(explainer, hop, choice):
            yield Cause(
                "with ALLOW_ANY the request is passed on to the Service in plain text, without routes"
            )


def _has_port(explainer: Explainer, hop: Hop, choice: HostChoice) -> bool:
    """Whether the host is that of a Service with the port, which the caller does not see."""
    hosts = (choice.host, f"{choice.host}.{SERVICE_DOMAIN}")
    services = [service for host in hosts if (service := explainer.catalog.service(host)) is not None]
    return any(service.port(hop.message.port) is not None for service in services)


def _of_ports(catalog: Catalog, hop: Hop) -> Iterator[Cause]:
    """Why a gateway does not listen on the port that is called."""
    gateway = catalog.gateway(hop.namespace, hop.workload)
    if gateway is not None and gateway.servers:
        numbers = sorted({server.number for server in gateway.servers})
        if hop.message.port in numbers:
            fix = f"bind a VirtualService with tcp routes for port {hop.message.port}, or name the port HTTP"
            yield Cause("a server for TCP or TLS needs routes, or the gateway does not listen", fix)
            return
        ports = listed(map(str, numbers))
        message = f"the servers of Gateways at {hop.workload} have the ports {ports}"
        protocol = "HTTPS" if hop.message.scheme == "https" else "HTTP"
        yield Cause(message, f"call one of these, or add a server with port {hop.message.port} ({protocol})")


def _of_candidate(candidate: Candidate, *, is_warning: bool = False) -> Cause:
    message = f"{candidate.reference.subject}: {candidate.reason}"
    return Cause(message, candidate.fix, candidate.reference, is_warning=is_warning)


def _by_default(hop: Hop, routing: Routing, choice: HostChoice) -> Iterator[Cause]:
    """VirtualServices that name the host of a request that takes the default route of its Service."""
    is_default = routing.rule is not None and not routing.rule.virtual_service
    if hop.kind is HopKind.OUTBOUND and is_default:
        for candidate in choice.others:
            if candidate.fix:
                yield _of_candidate(candidate, is_warning=True)


def _no_host(hop: Hop) -> str:
    host = hop.message.host
    if hop.kind is HopKind.GATEWAY:
        return (
            f'no VirtualService that is bound to a Gateway of {hop.workload} has routes for the host "{host}"'
        )
    port = hop.message.port
    if hop.routing is not None and hop.routing.rule is not None:
        return f'{hop.workload} knows no host "{host}" with HTTP on port {port}'
    return f"{hop.workload} has no HTTP routes for port {port}: no Service that it sees has that port"


def _of_outcomes(explainer: Explainer, explanation: Explanation) -> Iterator[Cause]:
    """Why destinations cannot be called."""
    for outcome in explanation.outcomes:
        destination, answer = outcome.destination, outcome.answer
        if destination is None or not destination.host or answer is None:
            continue
        if answer.flag == "UH" or (answer.status is None and not destination.pods):
            yield Cause(_no_pods(explainer.catalog, destination))
        elif answer.flag == "NC":
            yield from _no_cluster(explainer, outcome)


def _no_pods(catalog: Catalog, destination: Destination) -> str:
    """Why no pod is behind a destination."""
    service = catalog.service(destination.host)
    if service is None:
        return f"there is no Service {destination.host}"
    pods = catalog.pods_of(service)
    if service.is_entry:
        return f"{service.subject} has no endpoints"
    if not service.selector:
        return f"{service.subject} has no selector, and no EndpointSlice has endpoints for it"
    if not pods:
        return f"{service.subject} selects pods with {_labels(service.selector)}, and there are none"
    return f"{service.subject} has {len(pods)} pods; {_not_usable(catalog, service, destination)}"


def _not_usable(catalog: Catalog, service: Service, destination: Destination) -> str:
    pods = catalog.pods_of(service)
    rules = [rule for rule in catalog.destinations.rules if rule.host == service.host]
    subset = next((found for rule in rules if (found := rule.subset(destination.subset))), None)
    if subset is not None and not any(subset.selects(pod.labels) for pod in pods):
        keys = sorted(subset.labels)
        have = {_labels({key: pod.labels[key] for key in keys if key in pod.labels}) for pod in pods}
        said = listed(sorted(labels or "no such label" for labels in have))
        return f"subset {subset.name} asks for {_labels(subset.labels)}, and they have {said}"
    port = service.port(destination.port)
    if port is not None and not any(pod.address(port.target) for pod in pods):
        return f"none of them declares the targetPort {port.target}"
    return "none of them is ready"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _no_cluster(explainer: Explainer, outcome: Outcome) -> Iterator[Cause]:
    """Why a proxy has no cluster for a destination; a missing subset or host is also a warning."""
    destination = outcome.destination
    if destination is None:
        return
    service = explainer.catalog.service(destination.host)
    if service is None:
        yield Cause(f"there is no Service or ServiceEntry {destination.host}")
    elif service.port(destination.port) is None:
        ports = listed(str(port.number) for port in service.ports)
        yield Cause(f"{service.subject} has no port {destination.port}, but {ports}")
