"""Gateways of the Gateway API in the form of Istio's, as which the proofs read servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from loadgen.meshstate.resources import Object

_MODE = "gateway.istio.io/tls-terminate-mode"


def gateways_of(gateways: Iterable[Object], routes: Sequence[Object]) -> Iterator[Object]:
    """One for each Gateway, with a server for each listener and for each HTTPRoute that redirects to HTTPS.

    A redirect is a property of Istio's servers, and here of a route of the listener.
    """
    for gateway in gateways:
        listeners = gateway["spec"].get("listeners", ())
        servers = [
            _server(listener, [listener.get("hostname", "*")], _tls(listener)) for listener in listeners
        ]
        servers += [
            _server(listener, route["spec"].get("hostnames", ["*"]), {"httpsRedirect": True})
            for route in routes
            if _redirects(route)
            for listener in listeners
            if listener["protocol"] == "HTTP" and _attached(route, gateway, listener)
        ]
        yield {"kind": "Gateway", "metadata": gateway["metadata"], "spec": {"servers": servers}}


def _server(listener: Object, hosts: Iterable[str], tls: Object) -> Object:
    port = {"number": listener["port"], "name": listener["name"], "protocol": listener["protocol"]}
    return {"port": port, "hosts": list(hosts), "tls": tls}


def _tls(listener: Object) -> dict[str, Any]:
    """The mode, which Istio reads from an option of the listener (istiod: `buildTLS`)."""
    options = (listener.get("tls") or {}).get("options") or {}
    return {"mode": options.get(_MODE, "SIMPLE")} if listener.get("tls") else {}


def _redirects(route: Object) -> bool:
    filters = [each for rule in route["spec"].get("rules", ()) for each in rule.get("filters", ())]
    return any(each.get("requestRedirect", {}).get("scheme") == "https" for each in filters)


def _attached(route: Object, gateway: Object, listener: Object) -> bool:
    return any(
        parent["name"] == gateway["metadata"]["name"]
        and parent.get("kind", "Gateway") == "Gateway"
        and parent.get("sectionName", listener["name"]) == listener["name"]
        for parent in route["spec"].get("parentRefs", ())
    )
