"""Routes of connections: the `tls` and `tcp` blocks of VirtualServices.

TLS that a proxy does not terminate is routed by the name that clients ask for (SNI), and TCP by port (Istio,
"Virtual Service", `TLSRoute` and `TCPRoute`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Match = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a route sends connections, and its share of them."""

    host: str
    port: int | None
    subset: str
    weight: int


@dataclass(frozen=True, slots=True)
class ConnectionRoute:
    """One route; `matches` are alternatives, each with the names of its gateways in full."""

    kind: str
    """The block that it is written in: ``tls`` or ``tcp``."""
    matches: tuple[Match, ...]
    targets: tuple[Target, ...]
    owner: str = ""
    """The VirtualService, as ``name.namespace``."""
    index: int = 0
    """The place in the block."""

    def at_sidecar(
        self, port: int, gateway: str, namespace: str, labels: Mapping[str, str]
    ) -> Iterator[Match]:
        """The alternatives that apply at a port of a sidecar in a namespace, with these labels.

        istiod: pilot/pkg/networking/core/tls.go, matchTLS and matchTCP.
        """
        for match in self.matching(port, gateway):
            wanted = match.get("sourceLabels") or {}
            if wanted.items() <= labels.items() and match.get("sourceNamespace", "") in ("", namespace):
                yield match

    def matching(self, port: int, gateway: str) -> Iterator[Match]:
        """The alternatives that apply at a port of a gateway; a route without any always applies.

        As in Istio, only these two conditions count at gateways.
        """
        for match in self.matches or ({},):
            if match.get("port", port) in (0, port) and gateway in (match.get("gateways") or [gateway]):
                yield match
