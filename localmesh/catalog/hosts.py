"""Host names as Istio reads them in VirtualServices, DestinationRules and Gateways."""

from __future__ import annotations

from collections.abc import Iterable

from localmesh.formats.hostnames import full_host, overlap, service_host

__all__ = [
    "full_host",
    "intersection",
    "is_wildcard",
    "is_within",
    "most_specific",
    "overlap",
    "service_host",
]


def is_wildcard(host: str) -> bool:
    """Whether a host is a pattern: ``*`` or ``*.example.com``."""
    return host.startswith("*")


def is_within(host: str, pattern: str) -> bool:
    """Whether every name that `host` matches is also matched by `pattern` (istiod: `SubsetOf`)."""
    if not is_wildcard(pattern):
        return host == pattern
    return host.lstrip("*").endswith(pattern[1:])


def intersection(server_hosts: Iterable[str], hosts: Iterable[str]) -> list[str]:
    """The more specific host of every pair that overlaps, in order, without duplicates.

    So the hosts of a Gateway server limit those of a VirtualService (Istio, "Gateway", `Server.hosts`).

    >>> intersection(["*.example.com"], ["a.example.com", "b.org"])
    ['a.example.com']
    """
    hosts = list(hosts)
    common: dict[str, None] = {}
    for server_host in server_hosts:
        for host in hosts:
            if is_within(server_host, host):
                common[server_host] = None
            elif is_within(host, server_host):
                common[host] = None
    return list(common)


def most_specific(host: str, patterns: Iterable[str]) -> str | None:
    """The most specific pattern that covers `host`: the host itself, else the longest wildcard, else None.

    istiod: pkg/config/host, `MostSpecificHostMatch`.
    """
    best: str | None = None
    for pattern in patterns:
        if pattern == host:
            return pattern
        if is_wildcard(pattern) and is_within(host, pattern) and (best is None or len(pattern) > len(best)):
            best = pattern
    return best
