"""Routes that answer by themselves (Istio, "Virtual Service", `HTTPRedirect` and `HTTPDirectResponse`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_CODES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}


def redirect(spec: Mapping[str, Any], port: int) -> Json:
    """Envoy's redirect action; `port` is the listener's, for `derivePort: FROM_REQUEST_PORT`."""
    if spec.get("prefixRewrite"):
        out: Json = {"prefixRewrite": spec["prefixRewrite"]}
    else:
        out = {"pathRedirect": spec.get("uri", "")}
    if spec.get("authority"):
        out["hostRedirect"] = spec["authority"]
    if spec.get("scheme"):
        out["schemeRedirect"] = spec["scheme"]
    target = spec.get("port") or (port if spec.get("derivePort") == "FROM_REQUEST_PORT" else 0)
    # a scheme's own port is never written out
    if target and (spec.get("scheme") or "http", target) not in (("http", 80), ("https", 443)):
        out["portRedirect"] = target
    code = spec.get("redirectCode") or 301
    out["responseCode"] = _CODES[code]
    return out


def direct_response(spec: Mapping[str, Any]) -> Json:
    """Envoy's direct response: a status and a fixed body."""
    out: Json = {"status": spec["status"]}
    body = spec.get("body") or {}
    if "string" in body:
        out["body"] = {"inlineString": body["string"]}
    elif "bytes" in body:
        out["body"] = {"inlineBytes": body["bytes"]}
    return out
