"""The objects that decide about a request, and which warnings about them matter to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localmesh.catalog import Catalog, Proxy
from localmesh.catalog.hosts import full_host, overlap
from localmesh.catalog.security import policy_scope
from localmesh.explain.explainer import Explainer
from localmesh.explain.explanation import Explanation, Hop, HopKind, Reference, Routing
from localmesh.explain.host_choice import (
    Candidate,
    HostChoice,
    host_choice,
    servers_of_port,
    service_reference,
)
from localmesh.explain.rule_order import shadowed_rules
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.peer_authentication import PEER_AUTHENTICATION
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.codes import warnings
from localmesh.translate.formats import ALLOW_ANY, BLOCK_ALL

_POLICY_KINDS = (AUTHORIZATION_POLICY, PEER_AUTHENTICATION, REQUEST_AUTHENTICATION)
_HTTP = FieldPath("spec", "http")
OF_GATEWAYS = (warnings.HOST_NOT_IN_GATEWAY.number, warnings.MISSING_GATEWAY.number)
"""The codes of warnings about VirtualServices and their Gateways."""
_OF_HOSTS = frozenset({"VirtualService", "Gateway", "Service", "ServiceEntry", "Sidecar"})
_OF_DESTINATIONS = frozenset({"VirtualService", "DestinationRule", "Service", "ServiceEntry"})


def choice_at(explainer: Explainer, hop: Hop) -> HostChoice | None:
    """What takes the host at a hop; None where no routes are looked at."""
    if hop.routing is None or not hop.routing.configuration:
        return None
    proxy = explainer.source_named(f"{hop.proxy}.{hop.namespace}")
    prepared = explainer.prepared_of(proxy)
    return host_choice(prepared, hop.routing.configuration, hop.message) if prepared else None


def is_lost(hop: Hop) -> bool:
    """Whether no rule takes the request at a hop, or only that for hosts that the mesh does not know."""
    rule = hop.routing.rule if hop.routing is not None else None
    if rule is not None and rule.name in (ALLOW_ANY, BLOCK_ALL):
        return True
    return hop.answer is not None and hop.answer.flag == "NR"


def policies_elsewhere(catalog: Catalog, hop: Hop, labels: Mapping[str, str]) -> Iterator[Candidate]:
    """Policies whose selector fits the called pods, but which are in another namespace."""
    for resource in catalog.objects.of(*_POLICY_KINDS):
        scope = policy_scope(resource, catalog.mesh_config.root_namespace)
        if scope.labels and scope.selects(labels) and not scope.reaches(hop.namespace):
            reason = (
                f"its selector fits these pods, but it is in namespace {resource.namespace}, and a policy "
                f"applies to its own namespace; they are in {hop.namespace}"
            )
            reference = Reference(resource, FieldPath("metadata", "namespace"))
            yield Candidate(reference, reason, f"move it to namespace {hop.namespace}")


def blamed_kinds(explanation: Explanation) -> frozenset[str]:
    """The kinds of objects by which the answers of proxies come about: others are only on the way."""
    kinds = frozenset[str]()
    for hop in explanation.hops:
        kinds |= _blamed(hop)
    for outcome in explanation.outcomes:
        if outcome.answer is not None and outcome.answer.flag in ("NC", "UH", "FI"):
            kinds |= _OF_DESTINATIONS
    return kinds


def _blamed(hop: Hop) -> frozenset[str]:
    connection = hop.connection
    kinds = frozenset[str]()
    if is_lost(hop) or (hop.answer is not None and hop.answer.status is None):
        kinds |= _OF_HOSTS
    if hop.tokens is not None and hop.tokens.rejected:
        kinds |= {"RequestAuthentication"}
    if hop.authorization is not None and not hop.authorization.allowed:
        of_port = {"Service"} if connection is not None and connection.is_tcp else set()
        kinds |= {"AuthorizationPolicy", "RequestAuthentication"} | of_port
    if connection is not None and not connection.accepted:
        kinds |= {"PeerAuthentication", "DestinationRule"}
    return kinds


class Involved:
    """The objects that decide about a request, and the rules of VirtualServices that do."""

    def __init__(self, explainer: Explainer, explanation: Explanation) -> None:
        self._explainer = explainer
        self._places: set[Place] = set()
        self._rules: set[tuple[Place, tuple[str | int, ...]]] = set()
        self._lost: set[Place] = set()
        self._gateway_hosts = {hop.message.host for hop in explanation.hops if hop.kind is HopKind.GATEWAY}
        for hop in explanation.hops:
            references = list(self._references(hop))
            self._places |= {reference.resource.place for reference in references}
            self._rules |= {
                (reference.resource.place, reference.path[: len(_HTTP) + 1])
                for reference in references
                if _HTTP.contains(reference.path)
            }
            if is_lost(hop):
                self._lost |= {reference.resource.place for reference in references}

    def concerned_by(self, problem: Problem) -> bool:
        """Whether a warning is about what decides about the request, and not about other rules or hosts."""
        place, path = problem.place, problem.path
        if not place.kind or place not in self._places:
            return False
        if problem.code in OF_GATEWAYS:
            return self._is_of_gateway(problem)
        if not _HTTP.contains(path) or len(path) <= len(_HTTP):
            return True
        if (place, path[: len(_HTTP) + 1]) in self._rules:
            return True
        return place in self._lost and "match" in path

    def _is_of_gateway(self, problem: Problem) -> bool:
        """Whether a warning about the hosts at a Gateway is about a host that was asked for there."""
        resource = self._explainer.catalog.objects.at(problem.place)
        if problem.code != warnings.HOST_NOT_IN_GATEWAY.number or resource is None:
            return bool(self._gateway_hosts)
        named = full_host(str(resource.root.at(problem.path).text or "").lower(), resource.namespace)
        return any(overlap(named, host) for host in self._gateway_hosts)

    def _references(self, hop: Hop) -> Iterator[Reference]:
        choice = choice_at(self._explainer, hop)
        if choice is not None:
            yield from choice.servers
            yield from (candidate.reference for candidate in choice.others)
            yield from choice.virtual_services
            yield from self._left_out(choice)
            yield from filter(None, [choice.service_reference])
        if hop.routing is not None:
            yield from self._of_rules(hop, hop.routing)
        elif hop.kind is HopKind.GATEWAY and hop.answer is not None and hop.answer.status is None:
            proxy = self._explainer.source_named(f"{hop.proxy}.{hop.namespace}")
            if isinstance(proxy, Proxy):
                yield from servers_of_port(self._explainer.catalog, proxy, hop.message)
        if hop.authorization is not None:
            yield from (rule.reference for rule in hop.authorization.rules if rule.reference is not None)
        if hop.connection is not None:
            yield from filter(None, [hop.connection.policy])
        if hop.tokens is not None:
            yield from hop.tokens.references
        if hop.kind in (HopKind.INBOUND, HopKind.GATEWAY):
            labels = self._explainer.source_named(f"{hop.proxy}.{hop.namespace}").labels
            elsewhere = policies_elsewhere(self._explainer.catalog, hop, labels)
            yield from (candidate.reference for candidate in elsewhere)

    def _left_out(self, choice: HostChoice) -> Iterator[Reference]:
        """The routes of delegates that the VirtualServices of a host leave out."""
        chosen = {reference.resource.place for reference in choice.virtual_services}
        for virtual_service in self._explainer.catalog.virtual_services:
            if virtual_service.resource.place in chosen:
                yield from (Reference(origin.resource, origin.path) for origin in virtual_service.left_out)

    def _of_rules(self, hop: Hop, routing: Routing) -> Iterator[Reference]:
        """The chosen rule, those that it hides, and the DestinationRules of its destinations."""
        catalog = self._explainer.catalog
        if routing.rule is not None:
            yield from filter(None, [routing.rule.reference])
        if routing.connection_rule is not None:
            yield routing.connection_rule
        proxy = self._explainer.source_named(f"{hop.proxy}.{hop.namespace}")
        prepared = self._explainer.prepared_of(proxy) if routing.configuration else None
        if prepared is not None:
            hidden = shadowed_rules(prepared, routing, hop.message)
            yield from (rule.reference for rule in hidden if rule.reference is not None)
        for destination in routing.destinations:
            rule = catalog.rule_for(destination.host, hop.namespace, proxy.labels)
            if rule is not None and rule.origin is not None:
                yield Reference(rule.origin.resource)
            yield from _rules_of_nothing(catalog, destination.host)
            service = catalog.service(destination.host)
            port = service.port(destination.port) if service is not None else None
            if service is not None and port is not None and not port.protocol.may_be_http:
                yield from filter(None, [service_reference(catalog, service)])


def _rules_of_nothing(catalog: Catalog, host: str) -> Iterator[Reference]:
    """DestinationRules for no Service, with the short name of a host: they may be meant for it."""
    for resource in catalog.objects.of(DESTINATION_RULE):
        written = str(resource.spec["host"])
        is_short = "." not in written and host.startswith(f"{written}.")
        if is_short and catalog.service(full_host(written, resource.namespace)) is None:
            yield Reference(resource)
