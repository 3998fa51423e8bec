"""What usually causes an answer that no application gave: sentences for people, with places and fixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from localmesh.analysis import analyze
from localmesh.catalog import Action, Catalog, Service
from localmesh.catalog.security import policy_scope
from localmesh.explain.explainer import Explainer
from localmesh.explain.explanation import Destination, Explanation, Hop, HopKind, Outcome, Reference, Routing
from localmesh.explain.host_choice import Candidate, HostChoice, host_choice, service_reference
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.peer_authentication import PEER_AUTHENTICATION
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.fields import listed
from localmesh.translate.formats import ALLOW_ANY, BLOCK_ALL

_POLICY_KINDS = (AUTHORIZATION_POLICY, PEER_AUTHENTICATION, REQUEST_AUTHENTICATION)
_HTTP = FieldPath("spec", "http")
_OF_TCP = (
    "name the port of the Service http or http-… if it speaks HTTP, or use conditions on connections only"
)
_LOOPBACKS = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happens: a sentence, where it is written, and how to change it; each may be missing."""

    message: str
    fix: str = ""
    reference: Reference | None = None
    problem: Problem | None = None
    """The warning of the analysis that it repeats."""


def causes(explainer: Explainer, explanation: Explanation) -> list[Cause]:
    """The causes of the answers that proxies give, the nearest first, and warnings about what is involved."""
    found = [
        *_of_routing(explainer, explanation),
        *_of_connections(explanation),
        *_of_policies(explanation),
        *_of_outcomes(explainer, explanation),
    ]
    objects = involved(explainer, explanation)
    warnings = [
        Cause(problem.message, problem.fix, problem=problem)
        for problem in analyze(explainer.catalog)
        if problem.place.kind and _concerns(problem, objects)
    ]
    return list(dict.fromkeys((*found, *warnings)))


def choice_at(explainer: Explainer, hop: Hop) -> HostChoice | None:
    """What takes the host at a hop; None where no routes are looked at."""
    if hop.routing is None or not hop.routing.configuration:
        return None
    proxy = explainer.source_named(f"{hop.proxy}.{hop.namespace}")
    prepared = explainer.prepared_of(proxy)
    return host_choice(prepared, hop.routing.configuration, hop.message) if prepared else None


def policies_elsewhere(catalog: Catalog, hop: Hop, labels: Mapping[str, str]) -> Iterator[Candidate]:
    """Policies whose selector fits the called pods, but which are in another namespace."""
    for resource in catalog.objects.of(*_POLICY_KINDS):
        scope = policy_scope(resource)
        if scope.labels and scope.selects(labels) and not scope.reaches(hop.namespace):
            reason = (
                f"its selector fits these pods, but it is in namespace {resource.namespace}, and a policy "
                f"applies to its own namespace; they are in {hop.namespace}"
            )
            yield Candidate(Reference(resource, FieldPath("metadata", "namespace")), reason)


def _of_routing(explainer: Explainer, explanation: Explanation) -> Iterator[Cause]:
    """Why no rule took the request, or none of the mesh's."""
    for hop in explanation.hops:
        routing = hop.routing
        if routing is None or not routing.configuration:
            continue
        is_unknown = routing.rule is not None and routing.rule.name in (ALLOW_ANY, BLOCK_ALL)
        if not is_unknown and (hop.answer is None or hop.answer.flag != "NR"):
            continue
        choice = choice_at(explainer, hop)
        if choice is None:
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
            yield Cause(f"{candidate.reference.subject}: {candidate.reason}", reference=candidate.reference)


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


def _of_connections(explanation: Explanation) -> Iterator[Cause]:
    """Why a called port refuses the connection: what it accepts, and why the caller sends something else."""
    for hop in explanation.hops:
        connection = hop.connection
        if connection is None or connection.accepted:
            continue
        subject = connection.policy.subject if connection.policy else "the default of the mesh"
        yield Cause(f"the called port is {connection.accepts} by {subject}", reference=connection.policy)
        yield from _of_caller(explanation.hops[0])


def _of_caller(caller: Hop) -> Iterator[Cause]:
    """Why a caller secures its connections as it does."""
    if caller.kind is HopKind.DIRECT:
        fix = "give it a sidecar, or let the port accept plain text: PeerAuthentication with PERMISSIVE"
        yield Cause(f"{caller.workload} has no sidecar, so it has no certificate to show", fix)
        return
    for destination in caller.routing.destinations if caller.routing else ():
        for setting in destination.settings:
            if setting.name == "TLS" and setting.reference is not None:
                fix = "remove tls there, so that each endpoint decides, or write ISTIO_MUTUAL"
                subject = setting.reference.subject
                yield Cause(f"{subject} has TLS {setting.value} for callers", fix, setting.reference)


def _of_policies(explanation: Explanation) -> Iterator[Cause]:
    """Which rule denies the request, or why no rule allows it."""
    for hop in explanation.hops:
        authorization = hop.authorization
        if authorization is None or authorization.allowed:
            continue
        deciding = authorization.deciding
        if deciding is not None:
            without = f", of which a TCP port cannot check {listed(deciding.unchecked)}"
            yield Cause(
                f"{authorization.reason}: the request meets its conditions"
                f"{without if deciding.unchecked else ''}",
                fix=_OF_TCP if deciding.unchecked else "",
                reference=deciding.reference,
            )
            continue
        for rule in authorization.rules:
            if rule.action != Action.ALLOW.value or rule.dry_run:
                continue
            if rule.unchecked:
                what = f"a TCP port cannot check {listed(rule.unchecked)}, so the rule allows nothing there"
                yield Cause(f"rule {rule.index} of {rule.policy}: {what}", _OF_TCP, rule.reference)
            elif rule.failed is None:
                yield Cause(f"{rule.policy} has no rules, so it allows nothing", reference=rule.reference)
            else:
                failed = rule.failed
                said = f"{failed.field} {seen_text(failed.seen)}, expected {failed.expected}"
                yield Cause(f"rule {rule.index} of {rule.policy}: {said}", reference=failed.reference)


def seen_text(value: str | None) -> str:
    """What a request has somewhere, in words.

    >>> seen_text("a"), seen_text(None)
    ('is "a"', 'is absent')
    """
    return "is absent" if value is None else f'is "{value}"'


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
        return f"{service.subject} has no selector, so no pods are behind it"
    if not pods:
        return f"{service.subject} selects pods with {_labels(service.selector)}, and there are none"
    return f"{service.subject} has {len(pods)} pods; {_not_usable(catalog, service, destination)}"


def _not_usable(catalog: Catalog, service: Service, destination: Destination) -> str:
    pods = catalog.pods_of(service)
    rules = [rule for rule in catalog.destinations.rules if rule.host == service.host]
    subset = next((found for rule in rules if (found := rule.subset(destination.subset))), None)
    if subset is not None and not any(subset.selects(pod.labels) for pod in pods):
        keys = sorted(subset.labels)
        have = sorted({_labels({key: pod.labels.get(key, "") for key in keys}) for pod in pods})
        return f"subset {subset.name} asks for {_labels(subset.labels)}, and they have {listed(have)}"
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


def involved(explainer: Explainer, explanation: Explanation) -> dict[Place, Reference]:
    """The objects that decide about a request, each with the field that does."""
    references = [reference for hop in explanation.hops for reference in _references(explainer, hop)]
    return {reference.resource.place: reference for reference in reversed(references)}


def _references(explainer: Explainer, hop: Hop) -> Iterator[Reference]:
    choice = choice_at(explainer, hop)
    if choice is not None:
        yield from choice.servers
        yield from (candidate.reference for candidate in choice.others)
        yield from choice.virtual_services
        yield from filter(None, [choice.service_reference])
    if hop.routing is not None:
        yield from _of_rule(explainer.catalog, hop.routing, hop.namespace)
    if hop.authorization is not None:
        yield from (rule.reference for rule in hop.authorization.rules if rule.reference is not None)
    if hop.connection is not None:
        yield from filter(None, [hop.connection.policy])
    if hop.tokens is not None:
        yield from hop.tokens.references
    if hop.kind in (HopKind.INBOUND, HopKind.GATEWAY):
        labels = explainer.source_named(f"{hop.proxy}.{hop.namespace}").labels
        elsewhere = policies_elsewhere(explainer.catalog, hop, labels)
        yield from (candidate.reference for candidate in elsewhere)


def _of_rule(catalog: Catalog, routing: Routing, namespace: str) -> Iterator[Reference]:
    """The chosen rule, and the DestinationRules of its destinations."""
    if routing.rule is not None:
        yield from filter(None, [routing.rule.reference])
    for destination in routing.destinations:
        rule = catalog.rule_for(destination.host, namespace)
        if rule is not None and rule.origin is not None:
            yield Reference(rule.origin.resource)
        service = catalog.service(destination.host)
        port = service.port(destination.port) if service is not None else None
        if service is not None and port is not None and not port.protocol.may_be_http:
            yield from filter(None, [service_reference(catalog, service)])


def _concerns(problem: Problem, objects: dict[Place, Reference]) -> bool:
    """Whether a warning is about an object that decides about the request, and not about its other rules."""
    reference = objects.get(problem.place)
    if reference is None:
        return False
    path = problem.path
    if not _HTTP.contains(path) or len(path) <= len(_HTTP):
        return True
    own = reference.path[: len(_HTTP) + 1]
    return path[: len(_HTTP) + 1] == own or not _HTTP.contains(reference.path)
