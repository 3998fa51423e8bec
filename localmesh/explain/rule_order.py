"""The rules of the VirtualServices behind a virtual host that a request does not take, beside those of Envoy.

Some are not there at all: istiod decides on gateways, ports and labels of the caller for each proxy. Some
come after the chosen one, and would match too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from localmesh.catalog import VirtualService
from localmesh.catalog.http_routes import HttpMatch
from localmesh.explain.explanation import Condition, Reference, Routing, Rule
from localmesh.explain.prepared import PreparedProxy, rule_of
from localmesh.explain.request import Message
from localmesh.explain.route_tables import failed_condition
from localmesh.problems import FieldPath
from localmesh.problems.fields import listed
from localmesh.translate.matches import is_catch_all, route_match
from localmesh.translate.routes import RouteContext

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AbsentRule:
    """A rule that a proxy does not have, and the condition by which istiod decides so."""

    rule: Rule
    failed: Condition


def absent_rules(prepared: PreparedProxy, routing: Routing) -> Iterator[AbsentRule]:
    """The rules that are not for this proxy, of the VirtualServices that the routing knows."""
    for virtual_service, context in _known(prepared, routing):
        for index, match in _matches(virtual_service):
            if match is not None and not context.applies(match):
                rule = rule_of(virtual_service, index, match, {"match": route_match(match)})
                yield AbsentRule(rule, _why_absent(rule, match, context))


def shadowed_rules(prepared: PreparedProxy, routing: Routing, message: Message) -> Iterator[Rule]:
    """The rules after the chosen one that would match as well, of the same VirtualService.

    A rule for all other requests is left out: that it comes after others is what it is for.
    """
    chosen = routing.rule
    for virtual_service, context in _known(prepared, routing):
        if chosen is None or chosen.virtual_service != f"{virtual_service.namespace}/{virtual_service.name}":
            continue
        position = (chosen.index, -1 if chosen.match_index is None else chosen.match_index)
        for index, match in _matches(virtual_service):
            rule = rule_of(virtual_service, index, match, {"match": route_match(match)})
            own = (index, -1 if rule.match_index is None else rule.match_index)
            is_later = own > position and index != chosen.index and not is_catch_all(rule.match)
            if is_later and context.applies(match) and failed_condition(rule.match, message) is None:
                yield rule


def _matches(virtual_service: VirtualService) -> Iterator[tuple[int, HttpMatch | None]]:
    for index, route in enumerate(virtual_service.http):
        for match in route.matches or (None,):
            yield index, match


def _known(prepared: PreparedProxy, routing: Routing) -> Iterator[tuple[VirtualService, RouteContext]]:
    for virtual_service in prepared.virtual_services_of(routing):
        context = next(iter(prepared.contexts(virtual_service, routing.configuration)), None)
        if context is not None:
            yield virtual_service, context


def _why_absent(rule: Rule, match: HttpMatch, context: RouteContext) -> Condition:
    source = context.source
    labels = dict(source.labels)
    wanted = match.get("sourceLabels") or {}
    wrong = {key: value for key, value in wanted.items() if labels.get(key) != value}
    if match.get("port", context.port) not in (0, context.port):
        condition = Condition("port", str(match["port"]), str(context.port))
    elif match.get("gateways") and context.gateway not in match["gateways"]:
        condition = Condition("gateways", listed(match["gateways"], "or"), context.gateway)
    elif wrong and not match.get("gateways"):
        key, value = next(iter(wrong.items()))
        condition = Condition(f"sourceLabels[{key}]", f'"{value}"', labels.get(key))
    else:
        condition = Condition("sourceNamespace", f'"{match.get("sourceNamespace")}"', source.namespace)
    return replace(condition, reference=condition_reference(rule, condition.field))


def condition_reference(rule: Rule, field: str) -> Reference | None:
    """Where a condition of a rule is written."""
    if rule.reference is None:
        return None
    name, bracket, key = field.partition("[")
    path = rule.reference.path
    if path[-1:] and isinstance(path[-1], int) and "match" in path:
        path = FieldPath(*path, name, *((key[:-1],) if bracket else ()))
    return Reference(rule.reference.resource, path)
