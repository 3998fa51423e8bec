"""What a route of a VirtualService does with a request, field by field: each as a fragment of an Envoy route.

istiod: pilot/pkg/networking/core/route/route.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.http_routes import Destination, Mirror
from localmesh.translate.formats import HUNDRED_PERCENT, fraction

Json = dict[str, Any]
Spec = Mapping[str, Any]
"""A block of a manifest."""

_REDIRECT_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_DEFAULT_PORTS = (("http", 80), ("https", 443))


@dataclass(frozen=True, slots=True)
class HeaderOperations:
    """Operations on headers by Envoy's fields, and the authority that setting `Host` asks for, or ""."""

    fields: Mapping[str, list[Any]]
    authority: str

    def followed_by(self, other: HeaderOperations) -> HeaderOperations:
        """These operations, then the others; the first authority counts."""
        names = [*self.fields, *(name for name in other.fields if name not in self.fields)]
        fields = {name: [*self.fields.get(name, ()), *other.fields.get(name, ())] for name in names}
        return HeaderOperations(fields, self.authority or other.authority)


def header_operations(headers: Spec | None) -> HeaderOperations:
    """The operations in a `headers` block (Istio, "Virtual Service", `Headers`).

    Each `set`, sorted by name, comes before each `add`. Envoy can neither add nor remove `Host` and pseudo
    headers: a `Host` becomes a host rewrite, the others are left out.
    """
    request = (headers or {}).get("request") or {}
    response = (headers or {}).get("response") or {}
    authority = _authority(request.get("set") or {}) or _authority(request.get("add") or {})
    return HeaderOperations(
        {**_operations(request, "request"), **_operations(response, "response")}, authority
    )


def redirect(redirect: Spec, port: int, *, is_tls: bool) -> Json:
    """A redirect (`HTTPRedirect`); `port` is the listener's, for `derivePort: FROM_REQUEST_PORT`."""
    derived = port if redirect.get("derivePort") == "FROM_REQUEST_PORT" else 0
    target = redirect.get("port") or derived
    is_default = (redirect.get("scheme") or ("https" if is_tls else "http"), target) in _DEFAULT_PORTS
    optional = {
        "hostRedirect": redirect.get("authority"),
        "schemeRedirect": redirect.get("scheme"),
        "portRedirect": None if is_default else target,
    }
    action = {
        **_redirected_path(redirect),
        **{field: value for field, value in optional.items() if value},
        "responseCode": _REDIRECT_CODES[redirect.get("redirectCode") or 301],
    }
    return {"redirect": action}


def direct_response(response: Spec) -> Json:
    """An answer with a fixed status and body (`HTTPDirectResponse`)."""
    body = response.get("body") or {}
    forms = {"string": "inlineString", "bytes": "inlineBytes"}
    source = {forms[form]: body[form] for form in forms if form in body}
    return {"directResponse": {"status": response["status"], **({"body": source} if source else {})}}


def path_rewrite(rewrite: Spec) -> Json:
    """The rewrite of the path (`HTTPRewrite`)."""
    regex = rewrite.get("uriRegexRewrite")
    if regex:
        return {"regexRewrite": {"pattern": {"regex": regex["match"]}, "substitution": regex["rewrite"]}}
    return {"prefixRewrite": rewrite["uri"]} if rewrite.get("uri") else {}


def host_rewrite(authority: str) -> Json:
    """The rewrite of the authority; none for ""."""
    return {"hostRewriteLiteral": authority} if authority else {}


def mirror_policies(mirrors: Iterable[Mirror], cluster_of: Callable[[Destination], str]) -> Json:
    """Copies of requests (`mirror`, `mirrors`): of all where no percentage is set, of none for 0 %.

    Istio takes the copies out of traces; here they are traced like the requests that they are copies of.
    """
    policies = [
        {
            "cluster": cluster_of(mirror.destination),
            "runtimeFraction": {"defaultValue": share},
            # since Istio 1.28 the copy's Host is unchanged: the application cannot distinguish them
            "disableShadowHostSuffixAppend": True,
        }
        for mirror in mirrors
        if (share := _mirrored_share(mirror)) is not None
    ]
    return {"requestMirrorPolicies": policies} if policies else {}


def _operations(operations: Spec, side: str) -> Json:
    added = [
        *_values(operations.get("set") or {}, "OVERWRITE_IF_EXISTS_OR_ADD"),
        *_values(operations.get("add") or {}, "APPEND_IF_EXISTS_OR_ADD"),
    ]
    removed = [name for name in operations.get("remove") or () if not _is_protected(name)]
    fields = {f"{side}HeadersToAdd": added, f"{side}HeadersToRemove": removed}
    return {name: entries for name, entries in fields.items() if entries}


def _values(headers: Mapping[str, str], action: str) -> list[Json]:
    return [
        {"header": {"key": name, "value": headers[name]}, "appendAction": action}
        for name in sorted(headers)
        if not _is_protected(name)
    ]


def _is_protected(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"


def _authority(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() in ("host", ":authority")), "")


def _redirected_path(redirect: Spec) -> Json:
    if redirect.get("prefixRewrite"):
        return {"prefixRewrite": redirect["prefixRewrite"]}
    return {"pathRedirect": redirect.get("uri", "")}


def _mirrored_share(mirror: Mirror) -> Mapping[str, Any] | None:
    """The share of requests that is copied; None: none of them."""
    if mirror.percentage is not None:
        percent = mirror.percentage.get("value", 0)
        return fraction(percent) if percent > 0 else None
    if mirror.percent is not None:
        return {"numerator": mirror.percent, "denominator": "HUNDRED"} if mirror.percent else None
    return HUNDRED_PERCENT
