"""What a called side decides, as lines of text: the connection, the token, the policies."""

from __future__ import annotations

import json
from collections.abc import Iterator

from localmesh.explain.cause import seen_text
from localmesh.explain.text_layout import Json, Line, at, object_of
from localmesh.problems.fields import listed

_ACCEPTS = {
    "PERMISSIVE": "accepts mTLS and plain text (PERMISSIVE)",
    "STRICT": "accepts mTLS only (STRICT)",
    "DISABLE": "accepts plain text only (DISABLE)",
}


def security(hop: Json) -> Iterator[Line]:
    """The connection, the token and the policies at a called side."""
    if hop["connection"]:
        yield from _connection(hop["connection"])
    if hop["tokens"]:
        yield from _tokens(hop["tokens"])
    if hop["authorization"]:
        yield from _authorization(hop["authorization"])
    elif hop["kind"] == "inbound" and hop["connection"]["accepted"] and not hop["answer"]:
        yield "policies", "no AuthorizationPolicy applies: every request is allowed"
    for other in hop["otherPolicies"]:
        yield "", f"not {object_of(other['place'])}: {other['reason']}{at(other['place'])}"


def _connection(connection: Json) -> Iterator[Line]:
    place = connection["policy"]
    policy = f"{object_of(place)}{at(place)}" if place else "the default of the mesh"
    yield "TLS", f"{connection['tls']}; the port {_ACCEPTS[connection['accepts']]}, by {policy}"
    if connection["accepted"]:
        yield "caller", connection["client"] or "no identity: the connection is not mTLS"
    else:
        yield "", f"refused: {connection['reason']}"
    yield "called", connection["server"]
    if connection["protocol"] == "TCP":
        yield "port", "TCP: the sidecar passes the request on as bytes, and looks at the connection only"


def _tokens(tokens: Json) -> Iterator[Line]:
    issuers = listed(tokens["issuers"], "or")
    if tokens["rejected"]:
        yield "token", f"refused: {tokens['rejected']}; the issuer must be {issuers}"
    elif tokens["claims"] is None:
        yield "token", f"none, which RequestAuthentications let pass; the issuer would be {issuers}"
    else:
        yield "token", f"valid: {json.dumps(tokens['claims'])}"
    for policy in tokens["policies"]:
        yield "", f"{object_of(policy)}{at(policy)}"


def _authorization(authorization: Json) -> Iterator[Line]:
    yield "policies", f"{'allowed' if authorization['allowed'] else 'denied'}: {authorization['reason']}"
    for rule in authorization["rules"]:
        yield "", _policy_rule(rule)


def _policy_rule(rule: Json) -> str:
    number = "no rules" if rule["index"] is None else f"rule {rule['index']}"
    head = f"{rule['action']} {rule['policy']} {number}{' (dry run)' if rule['dryRun'] else ''}"
    unchecked = listed(rule["unchecked"]) if rule["unchecked"] else ""
    if rule["matched"]:
        without = f" without {unchecked}, which a TCP port cannot check" if unchecked else ""
        return f"{head} matches{without}{at(rule['place'])}"
    if unchecked and rule["failed"] is None:
        return f"{head} allows nothing here: a TCP port cannot check {unchecked}{at(rule['place'])}"
    if rule["failed"] is None:
        return f"{head}: a policy without rules matches nothing{at(rule['place'])}"
    return f"{head}: {condition_text(rule['failed'])}"


def condition_text(failed: Json) -> str:
    """A condition that does not hold, and what the request has there."""
    return (
        f"{failed['field']} {seen_text(failed['seen'])}, expected {failed['expected']}{at(failed['place'])}"
    )
