"""Host names as Istio reads them in VirtualServices, DestinationRules and Gateways."""

from __future__ import annotations

from collections.abc import Iterable

CLUSTER_DOMAIN = "cluster.local"


def service_host(name: str, namespace: str) -> str:
    """The fully qualified name of a Kubernetes Service: ``name.namespace.svc.cluster.local``."""
    return f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"


def resolve(host: str, namespace: str) -> str:
    """The host that a configuration object in `namespace` means by `host`.

    A name without a dot is a Service of that namespace; anything else stands for itself
    (Istio, "Virtual Service", `hosts`; "Destination", `host`).

    >>> resolve("logic", "sentimesh")
    'logic.sentimesh.svc.cluster.local'
    >>> resolve("logic.other", "sentimesh")
    'logic.other'
    """
    if "." in host or host.startswith("*"):
        return host.lower()
    return service_host(host.lower(), namespace)


def is_wildcard(host: str) -> bool:
    """Whether a host is a pattern: ``*`` or ``*.example.com``."""
    return host.startswith("*")


def matches(pattern: str, host: str) -> bool:
    """Whether two hosts, either of which may be a wildcard, have a name in common.

    >>> matches("*.example.com", "a.example.com"), matches("*", "x"), matches("a", "b")
    (True, True, False)
    """
    if is_wildcard(pattern) and is_wildcard(host):
        shorter, longer = sorted((pattern[1:], host[1:]), key=len)
        return longer.endswith(shorter)
    if is_wildcard(pattern):
        return host.endswith(pattern[1:])
    if is_wildcard(host):
        return pattern.endswith(host[1:])
    return pattern == host


def is_within(host: str, pattern: str) -> bool:
    """Whether every name that `host` means is also meant by `pattern`."""
    if not is_wildcard(pattern):
        return host == pattern
    return host.lstrip("*").endswith(pattern[1:])


def intersection(server_hosts: Iterable[str], hosts: Iterable[str]) -> list[str]:
    """The more specific host of each pair that overlaps, in order, each once.

    That is how a Gateway server's hosts limit a VirtualService's (Istio, "Gateway", `Server.hosts`).

    >>> intersection(["*.example.com"], ["a.example.com", "b.org"])
    ['a.example.com']
    """
    hosts = list(hosts)
    found: dict[str, None] = {}
    for server_host in server_hosts:
        for host in hosts:
            if is_within(server_host, host):
                found[server_host] = None
            elif is_within(host, server_host):
                found[host] = None
    return list(found)


def most_specific(host: str, patterns: Iterable[str]) -> str | None:
    """The pattern that names `host` most exactly: the host itself, else the longest wildcard, else None."""
    best: str | None = None
    for pattern in patterns:
        if pattern == host:
            return pattern
        if is_wildcard(pattern) and matches(pattern, host) and (best is None or len(pattern) > len(best)):
            best = pattern
    return best
