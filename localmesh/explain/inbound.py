"""The called side: a pod's sidecar accepts the connection, and judges the token and the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from localmesh.explain.cors import is_preflight
from localmesh.explain.explanation import Answer, Authorization, PolicyRule, TokenCheck
from localmesh.explain.json_web_tokens import WRONG_AUDIENCE
from localmesh.explain.policy_filters import Inspected, matching_policies
from localmesh.explain.prepared import PreparedProxy
from localmesh.explain.request import Message
from localmesh.explain.tokens import check_tokens

Json = Mapping[str, Any]

_TOKENS = "tokens"
_DENY = "rules-deny"
_ALLOW = "rules-allow"
_DENIED = "RBAC: access denied"


class Judgement(NamedTuple):
    """What the filters say about a token and a caller; `answer` is that of the one that refuses.

    `message` is the request as the filters pass it on: they remove tokens, and write claims to headers.
    """

    message: Message
    tokens: TokenCheck | None = None
    authorization: Authorization | None = None
    answer: Answer | None = None


def judge(prepared: PreparedProxy, inspected: Inspected, claims: Json | None) -> Judgement:
    """The decisions of the security filters of a listener; `claims` are those of an imagined token."""
    settings = prepared.policies.get(_TOKENS)
    tokens, message = None, inspected.message
    if settings is not None and not is_preflight(message):
        tokens, message = check_tokens(settings, message, claims)
        if tokens.rejected:
            cause = f"the token is refused: {tokens.rejected}"
            status = 403 if tokens.rejected == WRONG_AUDIENCE else 401
            return Judgement(message, tokens, answer=Answer(status, cause=cause, body=tokens.rejected))
    valid = tokens.claims if tokens is not None else None
    authorization = authorize(prepared, inspected._replace(message=message, claims=valid))
    if authorization is None or authorization.allowed:
        return Judgement(message, tokens, authorization)
    return Judgement(message, tokens, authorization, Answer(403, cause=authorization.reason, body=_DENIED))


def authorize(prepared: PreparedProxy, inspected: Inspected) -> Authorization | None:
    """The decision of the AuthorizationPolicies; None where none applies to the workload."""
    deny = (prepared.policies.get(_DENY) or {}).get("rules")
    allow = (prepared.policies.get(_ALLOW) or {}).get("rules")
    if deny is None and allow is None:
        return None
    denying = matching_policies(deny, inspected) if deny else []
    if denying:
        deciding = _rule(denying[0], "DENY")
        return Authorization(False, f"{deciding.policy} denies it", deciding)
    if allow is None:
        return Authorization(True, "no DENY rule matches, and there is no ALLOW policy")
    allowing = matching_policies(allow, inspected)
    if not allowing:
        return Authorization(False, "there are ALLOW policies, and no rule of them matches")
    deciding = _rule(allowing[0], "ALLOW")
    return Authorization(True, f"{deciding.policy} allows it", deciding)


def _rule(name: str, action: str) -> PolicyRule:
    """A rule by its name in the filter: `ns[shop]-policy[web]-rule[0]`."""
    namespace, policy, index = (part.partition("[")[2] for part in name.rstrip("]").split("]-"))
    return PolicyRule(f"{namespace}/{policy}", action, int(index), matched=True)
