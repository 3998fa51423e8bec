"""An explanation as a JSON document, as `localmesh explain -o json` prints it (explanation.schema.json).

It has everything that the text form shows; the text is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from localmesh.catalog import Proxy
from localmesh.explain.cause import Cause
from localmesh.explain.causes import causes
from localmesh.explain.envoy_filters import ListedPatch, patches_at
from localmesh.explain.explainer import Explainer
from localmesh.explain.explanation import (
    Actions,
    Answer,
    Authorization,
    Condition,
    Connection,
    Destination,
    Explanation,
    HeaderChange,
    Hop,
    HopKind,
    Outcome,
    PolicyRule,
    Reference,
    Routing,
    Rule,
    Setting,
    SkippedRule,
    TokenCheck,
)
from localmesh.explain.host_choice import Candidate, HostChoice
from localmesh.explain.involved import choice_at, policies_elsewhere
from localmesh.explain.request import Message, Request
from localmesh.explain.rule_order import absent_rules, condition_reference, shadowed_rules
from localmesh.manifests import Resource
from localmesh.problems import FieldPath, Place

Json = dict[str, Any]
Locate = Callable[[Resource, FieldPath], Place | None]
"""The file and line of a field; None where the objects are in no file."""


def document(explainer: Explainer, explanation: Explanation, locate: Locate) -> Json:
    """The document of an explanation."""
    return _Document(explainer, locate).of(explanation)


class _Document:
    def __init__(self, explainer: Explainer, locate: Locate) -> None:
        self._explainer = explainer
        self._locate = locate

    def of(self, explanation: Explanation) -> Json:
        return {
            "request": _request(explanation.request),
            "hops": [self._hop(hop) for hop in explanation.hops],
            "outcomes": [_outcome(outcome) for outcome in explanation.outcomes],
            "causes": [self._cause(cause) for cause in causes(self._explainer, explanation)],
        }

    def _hop(self, hop: Hop) -> Json:
        return {
            "kind": hop.kind.value,
            "workload": hop.workload,
            "namespace": hop.namespace,
            "proxy": hop.proxy,
            "listener": hop.listener,
            "request": _message(hop.message),
            "connection": self._connection(hop.connection) if hop.connection else None,
            "tokens": self._tokens(hop.tokens) if hop.tokens else None,
            "authorization": self._authorization(hop.authorization) if hop.authorization else None,
            "otherPolicies": [self._candidate(candidate) for candidate in self._other_policies(hop)],
            "envoyFilters": [self._patch(patch) for patch in self._patches(hop)],
            "host": self._host(choice) if (choice := choice_at(self._explainer, hop)) else None,
            "routing": self._routing(hop, hop.routing) if hop.routing else None,
            "answer": _answer(hop.answer),
        }

    def _other_policies(self, hop: Hop) -> Iterator[Candidate]:
        if hop.kind in (HopKind.INBOUND, HopKind.GATEWAY):
            proxy = self._explainer.source_named(f"{hop.proxy}.{hop.namespace}")
            yield from policies_elsewhere(self._explainer.catalog, hop, proxy.labels)

    def _patches(self, hop: Hop) -> Iterator[ListedPatch]:
        proxy = self._explainer.source_named(f"{hop.proxy}.{hop.namespace}")
        if isinstance(proxy, Proxy):
            yield from patches_at(self._explainer.catalog, proxy, hop)

    def _patch(self, patch: ListedPatch) -> Json:
        return {
            "place": self._place(patch.reference),
            "appliesTo": patch.applies_to,
            "operation": patch.operation,
            "name": patch.name,
        }

    def _place(self, reference: Reference | None) -> Json | None:
        if reference is None:
            return None
        place = self._locate(reference.resource, reference.path)
        return {
            "object": reference.subject,
            "field": str(reference.path),
            "file": place.file if place else None,
            "line": place.line if place else None,
        }

    def _candidate(self, candidate: Candidate) -> Json:
        return {"reason": candidate.reason, "fix": candidate.fix, "place": self._place(candidate.reference)}

    def _cause(self, cause: Cause) -> Json:
        reference = cause.reference
        if cause.problem is not None:
            resource = self._explainer.catalog.objects.at(cause.problem.place)
            reference = Reference(resource, cause.problem.path) if resource is not None else None
        return {
            "message": cause.message,
            "fix": cause.fix,
            "code": cause.problem.code if cause.problem else None,
            "warning": cause.is_warning,
            "place": self._place(reference),
        }

    def _host(self, choice: HostChoice) -> Json:
        return {
            "name": choice.host,
            "service": choice.service.subject if choice.service else None,
            "servicePlace": self._place(choice.service_reference),
            "virtualServices": [self._place(reference) for reference in choice.virtual_services],
            "servers": [self._place(reference) for reference in choice.servers],
            "others": [self._candidate(candidate) for candidate in choice.others],
        }

    def _routing(self, hop: Hop, routing: Routing) -> Json:
        proxy = self._explainer.source_named(f"{hop.proxy}.{hop.namespace}")
        prepared = self._explainer.prepared_of(proxy) if routing.configuration else None
        absent = absent_rules(prepared, routing) if prepared else ()
        later = shadowed_rules(prepared, routing, hop.message) if prepared else ()
        return {
            "routeConfiguration": routing.configuration,
            "virtualHost": routing.virtual_host,
            "domain": routing.domain,
            "rule": self._rule(routing.rule) if routing.rule else None,
            "connectionRule": self._place(routing.connection_rule),
            "skipped": [self._skipped(skipped) for skipped in routing.skipped],
            "absent": [self._failed_rule(each.rule, each.failed) for each in absent],
            "shadowed": [self._rule(rule) for rule in later],
            "destinations": [self._destination(destination) for destination in routing.destinations],
            "actions": self._actions(routing.actions, routing.rule),
        }

    def _rule(self, rule: Rule) -> Json:
        return {
            "name": rule.name,
            "virtualService": rule.virtual_service,
            "index": rule.index,
            "matchIndex": rule.match_index,
            "match": rule.match,
            "place": self._place(rule.reference),
        }

    def _skipped(self, skipped: SkippedRule) -> Json:
        return self._failed_rule(skipped.rule, skipped.failed)

    def _failed_rule(self, rule: Rule, failed: Condition) -> Json:
        reference = failed.reference or condition_reference(rule, failed.field)
        return {**self._rule(rule), "failed": self._condition(failed, reference)}

    def _condition(self, condition: Condition, reference: Reference | None = None) -> Json:
        return {
            "field": condition.field,
            "expected": condition.expected,
            "seen": condition.seen,
            "place": self._place(condition.reference or reference),
        }

    def _destination(self, destination: Destination) -> Json:
        return {
            "cluster": destination.cluster,
            "host": destination.host,
            "port": destination.port,
            "subset": destination.subset,
            "percent": destination.percent,
            "exists": destination.exists,
            "external": destination.is_external,
            "pods": list(destination.pods),
            "endpoints": list(destination.endpoints),
            "settings": [self._setting(setting) for setting in destination.settings],
            "headers": [_header_change(change) for change in destination.header_changes],
        }

    def _setting(self, setting: Setting) -> Json:
        return {
            "name": setting.name,
            "value": setting.value,
            "level": setting.level,
            "place": self._place(setting.reference),
        }

    def _actions(self, actions: Actions, rule: Rule | None) -> Json:
        fields = rule.fields if rule else {}
        return {
            "rewritePath": actions.rewrite_path,
            "rewriteAuthority": actions.rewrite_authority,
            "headers": [_header_change(change) for change in actions.header_changes],
            "timeout": actions.timeout,
            "retries": actions.retries,
            "faults": [
                {"percent": fault.percent, "delay": fault.delay, "status": fault.status}
                for fault in actions.faults
            ],
            "mirrors": [
                {"percent": mirror.percent, "destination": self._destination(mirror.destination)}
                for mirror in actions.mirrors
            ],
            "cors": actions.cors,
            "hashPolicy": list(actions.hash_policy),
            "places": {name: self._place(reference) for name, reference in fields.items()},
        }

    def _connection(self, connection: Connection) -> Json:
        return {
            "protocol": "TCP" if connection.is_tcp else "HTTP",
            "tls": connection.tls.value,
            "accepts": connection.accepts,
            "accepted": connection.accepted,
            "reason": connection.reason,
            "client": connection.client,
            "server": connection.server,
            "policy": self._place(connection.policy),
        }

    def _tokens(self, tokens: TokenCheck) -> Json:
        return {
            "issuers": list(tokens.issuers),
            "claims": tokens.claims,
            "rejected": tokens.rejected,
            "policies": [self._place(reference) for reference in tokens.references],
        }

    def _authorization(self, authorization: Authorization) -> Json:
        deciding = authorization.deciding
        return {
            "allowed": authorization.allowed,
            "reason": authorization.reason,
            "deciding": self._policy_rule(deciding) if deciding else None,
            "rules": [self._policy_rule(rule) for rule in authorization.rules],
        }

    def _policy_rule(self, rule: PolicyRule) -> Json:
        return {
            "policy": rule.policy,
            "action": rule.action,
            "index": rule.index,
            "matched": rule.matched,
            "dryRun": rule.dry_run,
            "failed": self._condition(rule.failed) if rule.failed else None,
            "unchecked": list(rule.unchecked),
            "place": self._place(rule.reference),
        }


def _request(request: Request) -> Json:
    return {
        "method": request.method,
        "url": f"{request.scheme}://{request.authority}{request.path}",
        "headers": dict(request.headers),
        "from": request.source,
        "claims": request.claims,
    }


def _message(message: Message) -> Json:
    return {
        "method": message.method,
        "authority": message.authority,
        "path": message.path,
        "headers": dict(message.headers),
    }


def _header_change(change: HeaderChange) -> Json:
    return {
        "side": change.side,
        "operation": change.operation,
        "name": change.name,
        "value": change.value,
    }


def _outcome(outcome: Outcome) -> Json:
    return {
        "percent": outcome.percent,
        "workload": outcome.workload,
        "namespace": outcome.namespace,
        "pods": list(outcome.pods),
        "cluster": outcome.destination.cluster if outcome.destination else None,
        "request": _message(outcome.message) if outcome.message else None,
        "answer": _answer(outcome.answer),
    }


def _answer(answer: Answer | None) -> Json | None:
    if answer is None:
        return None
    return {
        "status": answer.status,
        "flag": answer.flag,
        "cause": answer.cause,
        "by": answer.by,
        "headers": dict(answer.headers),
        "body": answer.body,
    }
