"""Services of type ExternalName: other names of a Service, or of a host outside.

istiod: pilot/pkg/model/push_context.go, `resolveServiceAliases`. Such a Service has no clusters and routes:
the Service that it stands for is called by its names, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from localmesh.catalog.services import Service


def with_aliases(services: Iterable[Service]) -> tuple[tuple[Service, ...], Mapping[str, str]]:
    """The Services that are not aliases, each with its aliases, and what each alias finally stands for.

    Aliases that lead to each other in a circle stand for nothing.
    """
    services = tuple(services)
    direct = {service.host: service.alias_of for service in services if service.alias_of}
    if not direct:
        return services, {}
    targets = {host: target for host in direct if (target := _target(host, direct))}
    in_order = sorted(
        (service for service in services if service.host in targets),
        key=lambda service: (service.namespace, service.host),
    )
    aliases: dict[str, tuple[str, ...]] = {}
    for alias in in_order:
        target = targets[alias.host]
        aliases[target] = (*aliases.get(target, ()), alias.host)
    others = (service for service in services if not service.alias_of)
    return tuple(_named(service, aliases.get(service.host, ())) for service in others), targets


def _named(service: Service, aliases: tuple[str, ...]) -> Service:
    return replace(service, aliases=aliases) if aliases else service


def _target(host: str, direct: Mapping[str, str]) -> str:
    """What an alias finally stands for; "" if it leads to itself."""
    passed = {host}
    while host in direct:
        host = direct[host]
        if host in passed:
            return ""
        passed.add(host)
    return host
