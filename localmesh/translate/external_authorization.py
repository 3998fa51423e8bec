"""AuthorizationPolicies with the action CUSTOM: which requests an external authorizer is asked about.

An RBAC filter only notes in the metadata of a request which rule matches, and the ext_authz filter after it
asks if one does. Where the authorizer cannot be used, or a workload has several, what the rules match is
denied (istiod: pilot/pkg/security/authz/builder, `buildHTTP`, with its default for
PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localmesh.catalog import Authorizer
from localmesh.translate.formats import duration, outbound_cluster

Json = dict[str, Any]

PREFIX = "istio-ext-authz"
"""How the names of the rules start that an authorizer is asked about."""
BAD_SUFFIX = "-deny-due-to-bad-CUSTOM-action"
"""How the names of rules end whose authorizer cannot be used."""

HTTP_FILTER = "envoy.filters.http.rbac"
NETWORK_FILTER = "envoy.filters.network.rbac"
_STAT_PREFIX = "istio_ext_authz_"
_POLICY_KEY = f"{_STAT_PREFIX}shadow_effective_policy_id"
_DEFAULT_TIMEOUT = "600s"


def usable(authorizers: Sequence[Authorizer]) -> Authorizer | None:
    """The one authorizer of a workload; None if it cannot be used or there are several."""
    return authorizers[0] if len(authorizers) == 1 and not authorizers[0].fault else None


def noting(rules: Json) -> Json:
    """The settings of an RBAC filter that notes which rule matches, and denies nothing."""
    return {"shadowRules": rules, "shadowRulesStatPrefix": _STAT_PREFIX}


def denying(rules: Json) -> Json:
    """The rules, which deny because their authorizer cannot be used."""
    policies = {f"{name}{BAD_SUFFIX}": policy for name, policy in rules["policies"].items()}
    return {"action": "DENY", "policies": policies}


def http_check(authorizer: Authorizer) -> Json:
    """The settings of the HTTP filter that asks."""
    settings = authorizer.settings
    body = settings.get("includeRequestBodyInCheck")
    status = settings.get("statusOnError")
    return {
        **({"grpcService": _grpc_service(authorizer)} if authorizer.is_grpc else _http_service(authorizer)),
        **({"statusOnError": {"code": int(status)}} if status else {}),
        **({"failureModeAllow": True} if settings.get("failOpen") else {}),
        **({"withRequestBody": dict(body)} if body is not None else {}),
        "transportApiVersion": "V3",
        "filterEnabledMetadata": _noted(HTTP_FILTER, authorizer),
    }


def connection_check(authorizer: Authorizer) -> Json:
    """The settings of the network filter that asks, about connections that are not HTTP."""
    return {
        "statPrefix": "tcp.",
        **({"failureModeAllow": True} if authorizer.settings.get("failOpen") else {}),
        "transportApiVersion": "V3",
        "grpcService": _grpc_service(authorizer),
        "filterEnabledMetadata": _noted(NETWORK_FILTER, authorizer),
    }


def _noted(filter_name: str, authorizer: Authorizer) -> Json:
    """Whether the RBAC filter has noted a rule of this authorizer."""
    value = {"stringMatch": {"prefix": f"{PREFIX}-{authorizer.name}"}}
    return {"filter": filter_name, "path": [{"key": _POLICY_KEY}], "value": value}


def _grpc_service(authorizer: Authorizer) -> Json:
    cluster = outbound_cluster(authorizer.host, authorizer.port)
    return {
        "envoyGrpc": {"clusterName": cluster, "authority": authorizer.host},
        "timeout": _timeout(authorizer),
    }


def _http_service(authorizer: Authorizer) -> Json:
    settings = authorizer.settings
    included = settings.get("includeRequestHeadersInCheck") or settings.get("includeHeadersInCheck")
    added = settings.get("includeAdditionalHeadersInCheck") or {}
    answered = {
        "allowedUpstreamHeaders": _headers(settings.get("headersToUpstreamOnAllow")),
        "allowedClientHeaders": _headers(settings.get("headersToDownstreamOnDeny")),
        "allowedClientHeadersOnSuccess": _headers(settings.get("headersToDownstreamOnAllow")),
    }
    answered = {name: patterns for name, patterns in answered.items() if patterns}
    headers = [{"key": name, "value": value} for name, value in sorted(added.items())]
    service: Json = {
        "serverUri": {
            "uri": f"http://{authorizer.host}",
            "cluster": outbound_cluster(authorizer.host, authorizer.port),
            "timeout": _timeout(authorizer),
        },
        **({"pathPrefix": settings["pathPrefix"]} if settings.get("pathPrefix") else {}),
        **({"authorizationRequest": {"headersToAdd": headers}} if headers else {}),
        **({"authorizationResponse": answered} if answered else {}),
    }
    allowed = _headers(included)
    return {"httpService": service, **({"allowedHeaders": allowed} if allowed else {})}


def _timeout(authorizer: Authorizer) -> str:
    written = authorizer.settings.get("timeout")
    return duration(written) if written else _DEFAULT_TIMEOUT


def _headers(names: Sequence[str] | None) -> Json | None:
    return {"patterns": [_pattern(name) for name in names]} if names else None


def _pattern(name: str) -> Mapping[str, Any]:
    if name.startswith("*"):
        return {"suffix": name[1:], "ignoreCase": True}
    if name.endswith("*"):
        return {"prefix": name[:-1], "ignoreCase": True}
    return {"exact": name, "ignoreCase": True}
