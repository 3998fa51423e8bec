"""The called side: a pod's sidecar accepts the connection, and judges the token and the caller."""

from __future__ import annotations

from typing import NamedTuple

from localmesh.catalog.security import policy_scope
from localmesh.explain.authorization import authorize
from localmesh.explain.cors import is_preflight
from localmesh.explain.explanation import Answer, Authorization, Reference, TokenCheck
from localmesh.explain.json_web_tokens import WRONG_AUDIENCE
from localmesh.explain.policy_filters import Inspected
from localmesh.explain.prepared import PreparedProxy
from localmesh.explain.request import Message
from localmesh.explain.tokens import check_tokens
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.problems import FieldPath

_TOKENS = "tokens"
_DENIED = "RBAC: access denied"


class Judgement(NamedTuple):
    """What the filters say about a token and a caller, and the request as they pass it on.

    `answer` is that of the filter that refuses the request.
    """

    message: Message
    tokens: TokenCheck | None = None
    authorization: Authorization | None = None
    answer: Answer | None = None


def judge(prepared: PreparedProxy, inspected: Inspected) -> Judgement:
    """The decisions of the security filters of a listener."""
    message, tokens = inspected.message, None
    settings = prepared.policies.get(_TOKENS)
    if settings is not None and not is_preflight(message):
        tokens, message = check_tokens(settings, message, prepared.remembered(_references))
        if tokens.rejected:
            cause = f"the token is refused: {tokens.rejected}"
            status = 403 if tokens.rejected == WRONG_AUDIENCE else 401
            return Judgement(message, tokens, answer=Answer(status, cause=cause, body=tokens.rejected))
    valid = tokens.claims if tokens is not None else None
    authorization = authorize(prepared, inspected._replace(message=message, claims=valid))
    if authorization is None or authorization.allowed:
        return Judgement(message, tokens, authorization)
    return Judgement(message, tokens, authorization, Answer(403, cause=authorization.reason, body=_DENIED))


def _references(prepared: PreparedProxy) -> tuple[Reference, ...]:
    """The rules for tokens that apply to a proxy's workload."""
    proxy, root = prepared.proxy, prepared.catalog.mesh_config.root_namespace
    return tuple(
        Reference(resource, FieldPath("spec", "jwtRules", index))
        for resource in prepared.catalog.objects.of(REQUEST_AUTHENTICATION)
        if policy_scope(resource, root).includes(proxy.namespace, proxy.labels)
        for index in range(len(resource.spec.get("jwtRules") or ()))
    )
