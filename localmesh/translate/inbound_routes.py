"""A sidecar's routes towards its own application: everything, without a time limit."""

from __future__ import annotations

from typing import Any

from localmesh.catalog import Inbound, Service, ServicePort
from localmesh.translate.names import inbound_cluster
from localmesh.translate.retries import INBOUND

Json = dict[str, Any]


def inbound_route(service: Service, port: ServicePort, inbound: Inbound) -> Json:
    """The route configuration of one container port, named as its cluster."""
    cluster = inbound_cluster(inbound.container_port)
    action: Json = {
        "cluster": cluster,
        "timeout": "0s",
        "maxStreamDuration": {"maxStreamDuration": "0s", "grpcTimeoutHeaderMax": "0s"},
    }
    if not port.protocol.is_http2:
        action["retryPolicy"] = dict(INBOUND)
    route = {
        "name": "default",
        "match": {"prefix": "/"},
        "route": action,
        "decorator": {"operation": f"{service.host}:{port.number}/*"},
    }
    return {
        "name": cluster,
        "virtualHosts": [{"name": f"inbound|http|{port.number}", "domains": ["*"], "routes": [route]}],
        "validateClusters": False,
    }
