"""Destinations as cases name them: `HOST[:PORT][/SUBSET]`, or the fields of a VirtualService."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.explain.explanation import Destination
from localmesh.formats.hostnames import SERVICE_DOMAIN

_TEXT = re.compile(r"(?P<host>[^/:\s]+)(?::(?P<port>\d{1,5}))?(?:/(?P<subset>[^/\s]+))?\Z")
FORM = "HOST, HOST:PORT, HOST/SUBSET or HOST:PORT/SUBSET"


@dataclass(frozen=True, slots=True)
class DestinationPattern:
    """What a destination must be; a `port` or `subset` of None may be any."""

    host: str
    port: int | None = None
    subset: str | None = None

    @classmethod
    def of(cls, written: str | Mapping[str, Any]) -> DestinationPattern | None:
        """The pattern; None if a text is not one."""
        if isinstance(written, str):
            parts = _TEXT.match(written)
            if parts is None:
                return None
            return cls(parts["host"], int(parts["port"]) if parts["port"] else None, parts["subset"])
        port = written.get("port")
        number = port.get("number") if isinstance(port, Mapping) else port
        return cls(written["host"], number, written.get("subset"))

    def matches(self, destination: Destination) -> bool:
        """Whether it is this destination; the short name of a Service stands for it in any namespace."""
        return self.names(destination.host, destination.port, destination.subset)

    def names(self, host: str, port: int | None, subset: str) -> bool:
        """Whether it is the destination with this full host, port and subset."""
        return is_host(self.host, host) and self.port in (None, port) and self.subset in (None, subset)

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        return f"{self.host}{port}" + (f"/{self.subset}" if self.subset else "")


def misnamed(expect: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The destinations in `expect` that are not names of destinations, each with its field."""
    names = [("destination", expect.get("destination"))]
    if "destination" not in expect:
        names += [("weights", name) for name in expect.get("weights") or ()]
    mirror = expect.get("mirror") or {}
    names += [("mirror", name) for name in ([mirror] if isinstance(mirror, str) else mirror)]
    for field, name in names:
        if isinstance(name, str) and DestinationPattern.of(name) is None:
            yield field, name


def is_host(name: str, full: str) -> bool:
    """Whether a name, such as `logic`, `logic.shop` or the whole, is that of a host.

    >>> is_host("logic", "logic.shop.svc.cluster.local"), is_host("logic", "logic.example")
    (True, False)
    """
    if name == full:
        return True
    service = full.removesuffix(f".{SERVICE_DOMAIN}")
    return service != full and name in (service, service.partition(".")[0], f"{service}.svc")


def shown(destination: Destination, like: DestinationPattern | None = None) -> str:
    """A destination as a case would name it: with namespace and port where the pattern has them."""
    host = destination.host.removesuffix(f".{SERVICE_DOMAIN}")
    if host != destination.host and (like is None or "." not in like.host):
        host = host.partition(".")[0]
    port = f":{destination.port}" if like is not None and like.port is not None else ""
    name = f"{host}{port}" + (f"/{destination.subset}" if destination.subset else "")
    return name or destination.cluster
