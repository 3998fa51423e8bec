"""Why a called side refuses: the connection, or the policies."""

from __future__ import annotations

import json
from collections.abc import Iterator

from localmesh.catalog import Action
from localmesh.explain.cause import Cause, seen_text
from localmesh.explain.explanation import Explanation, Hop, HopKind, PolicyRule, Reference, Tls
from localmesh.explain.json_web_tokens import UNKNOWN_ISSUER, WRONG_AUDIENCE
from localmesh.problems.fields import listed, quoted

_OF_TCP = (
    "name the port of the Service http or http-… if it speaks HTTP, or use conditions on connections only"
)
_OF_SENDERS = ("ipBlocks", "source.ip")
_OF_IDENTITIES = ("principals", "namespaces", "serviceAccounts", "source.principal", "source.namespace")
"""Conditions that need an identity, which the caller has with mTLS only."""


def of_connections(explanation: Explanation) -> Iterator[Cause]:
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
        fix = "inject a sidecar, or let the port accept plain text: PeerAuthentication with PERMISSIVE"
        yield Cause(f"{caller.workload} has no sidecar, so it has no certificate to show", fix)
        return
    for destination in caller.routing.destinations if caller.routing else ():
        for setting in destination.settings:
            if setting.name == "TLS" and setting.reference is not None:
                fix = "remove tls there, so that each endpoint decides, or write ISTIO_MUTUAL"
                subject = setting.reference.subject
                yield Cause(f"{subject} has TLS {setting.value} for callers", fix, setting.reference)


def of_tokens(explanation: Explanation) -> Iterator[Cause]:
    """Why a token is refused, where its claims say so."""
    for hop in explanation.hops:
        tokens = hop.tokens
        if tokens is None or tokens.refused is None:
            continue
        if tokens.rejected == UNKNOWN_ISSUER:
            expected = listed(map(quoted, tokens.issuers), "or")
            yield Cause(f"iss of the token {seen_text(tokens.refused.get('iss'))}, expected {expected}")
        for reference in tokens.references if tokens.rejected == WRONG_AUDIENCE else ():
            rule = reference.resource.spec["jwtRules"][reference.path[-1]]
            if rule.get("issuer") == tokens.refused.get("iss") and rule.get("audiences"):
                seen = tokens.refused.get("aud")
                said = "is absent" if seen is None else f"is {json.dumps(seen)}"
                expected = listed(map(quoted, rule["audiences"]), "or")
                path = reference.path / "audiences"
                yield Cause(
                    f"aud of the token {said}, expected {expected}",
                    reference=Reference(reference.resource, path),
                )


def of_policies(explanation: Explanation) -> Iterator[Cause]:
    """Which rule denies the request, or why no rule allows it."""
    for hop in explanation.hops:
        authorization = hop.authorization
        if authorization is None or authorization.allowed:
            continue
        deciding = authorization.deciding
        if deciding is not None:
            unchecked = listed(deciding.unchecked) if deciding.unchecked else ""
            yield Cause(
                f"{authorization.reason}: {_held(deciding)}"
                f"{f'; a TCP port cannot check {unchecked}' if unchecked else ''}",
                fix=_OF_TCP if unchecked else "",
                reference=deciding.reference,
            )
            continue
        for rule in authorization.rules:
            if rule.action == Action.ALLOW.value and not rule.dry_run:
                yield from _of_rule(rule, hop, explanation)


def _of_rule(rule: PolicyRule, hop: Hop, explanation: Explanation) -> Iterator[Cause]:
    """Why a rule does not allow the request."""
    failed = rule.failed
    if rule.unchecked:
        what = f"a TCP port cannot check {listed(rule.unchecked)}, so the rule allows nothing there"
        yield Cause(f"rule {rule.index} of {rule.policy}: {what}", _OF_TCP, rule.reference)
    elif failed is None:
        yield Cause(f"{rule.policy} has no rules, so it allows nothing", reference=rule.reference)
    else:
        said = f"{failed.field} {seen_text(failed.seen)}, expected {failed.expected}"
        yield Cause(f"rule {rule.index} of {rule.policy}: {said}", reference=failed.reference)
        if failed.seen is None and failed.field in _OF_IDENTITIES:
            yield from _without_identity(explanation.hops[0], hop)
        if failed.field in _OF_SENDERS and "x-forwarded-for" in map(str.lower, explanation.request.headers):
            yield Cause(
                f"{failed.field} is the address of the connection's sender, whatever x-forwarded-for says",
                "use remoteIpBlocks, which is the address of the client",
            )


def _held(rule: PolicyRule) -> str:
    """The conditions of a rule that matched, with what the request has there."""
    conditions = [
        f"{condition.field} {seen_text(condition.seen)}, which "
        f"{'is' if condition.expected.startswith('not ') else 'matches'} {condition.expected}"
        for condition in rule.held
    ]
    return "; ".join(conditions) or "it has no conditions"


def _without_identity(caller: Hop, hop: Hop) -> Iterator[Cause]:
    """Why the called side does not know who calls."""
    if hop.connection is not None and hop.connection.tls is not Tls.MUTUAL:
        yield Cause(f"the connection is {hop.connection.tls}, so that the caller has no identity")
        yield from _of_caller(caller)
