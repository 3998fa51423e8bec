"""The ports that a Sidecar declares for the connections to its pods (Istio, "Sidecar", `ingress`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog.services import Protocol, protocol_of
from localmesh.manifests import Resource


@dataclass(frozen=True, slots=True)
class IngressListener:
    """A port at which sidecars listen, and the port of the application that connections are for.

    `pool` is its `connectionPool`, None where it has none.
    """

    number: int
    name: str
    protocol: Protocol
    application: int
    pool: Mapping[str, Any] | None = field(default=None, hash=False)


def ingress_listeners(sidecar: Resource) -> Iterator[IngressListener]:
    """The listeners of a Sidecar."""
    for entry in sidecar.spec.get("ingress") or ():
        port = entry["port"]
        number = int(port["number"])
        # the protocol is declared, and not guessed from the name or the number
        protocol = protocol_of(application=str(port.get("protocol", "")))
        endpoint = entry.get("defaultEndpoint") or ""
        application = int(endpoint.rpartition(":")[2]) if endpoint else number
        yield IngressListener(
            number, port.get("name", ""), protocol, application, entry.get("connectionPool")
        )
