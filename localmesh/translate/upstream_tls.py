"""How a proxy calls each cluster and endpoint: with mTLS, or in plain text.

Without a word in a DestinationRule each endpoint decides (auto mTLS): those with a sidecar that takes
mTLS are marked. A DestinationRule's `tls` decides for all endpoints alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.catalog import (
    Catalog,
    DestinationRule,
    MutualTls,
    PeerAuthentications,
    Pod,
    Resolution,
    Service,
    ServicePort,
    Subset,
)
from localmesh.translate.names import server_name
from localmesh.translate.tls import automatic, upstream_socket

Json = dict[str, Any]
_MUTUAL = "ISTIO_MUTUAL"


def cluster_tls(
    service: Service,
    port: ServicePort,
    subset: Subset | None,
    settings: Mapping[str, Any] | None,
    *,
    automatically: bool,
    identities: tuple[str, ...],
    http2: bool,
) -> Json:
    """The transport sockets of a cluster; empty for plain text.

    `settings` are the DestinationRule's; without them the endpoints decide, if `automatically`. `http2`: it
    speaks nothing else.
    """
    written = (settings or {}).get("mode")
    if settings is not None and written != _MUTUAL:
        return {}
    if settings is None and (service.is_external or service.resolution is Resolution.NONE):
        return {}
    if settings is None and not automatically:
        return {}
    names = (settings or {}).get("subjectAltNames")
    socket = upstream_socket(
        sni=(settings or {}).get("sni")
        or server_name(service.host, port.number, subset.name if subset else ""),
        identities=identities if names is None else names,
        http2=http2,
    )
    return {"transportSocket": socket} if settings else {"transportSocketMatches": automatic(socket)}


def takes_automatic_tls(catalog: Catalog, service: Service) -> bool:
    """Whether callers look at the marks of a Service's endpoints: not where its namespace says DISABLE."""
    return catalog.peer_authentications.namespace_mode(service.namespace) is not MutualTls.DISABLE


def takes_mutual_tls(
    peer_authentications: PeerAuthentications,
    pod: Pod,
    port: ServicePort,
    rule: DestinationRule | None,
    subset: Subset | None,
) -> bool:
    """Whether an endpoint gets the mark: its DestinationRule says so, or its sidecar takes mTLS."""
    written = _written_mode(rule, subset, port.number)
    if written is not None:
        return written == _MUTUAL
    number = pod.container_port(port.target)
    if not pod.has_sidecar or number is None:
        return False
    return peer_authentications.mode(pod.namespace, pod.labels, number) is not MutualTls.DISABLE


def _written_mode(rule: DestinationRule | None, subset: Subset | None, port: int) -> str | None:
    """The mode that a DestinationRule writes; here a port without `tls` falls back to the whole policy's."""
    for policy in (subset.policy if subset else None, rule.policy if rule else None):
        by_port = [
            setting
            for setting in (policy or {}).get("portLevelSettings") or ()
            if (setting.get("port") or {}).get("number") == port
        ]
        for settings in (*by_port, policy or {}):
            if settings.get("tls") is not None:
                return str(settings["tls"].get("mode", "DISABLE"))
    return None


def identities(catalog: Catalog, service: Service) -> tuple[str, ...]:
    """Whom a caller may meet behind a Service: all of its pods' identities, ready or not."""
    return tuple(sorted({pod.identity for pod in catalog.pods_of(service)}))
