"""What a host that does not exist was probably meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property

from localmesh.catalog import Catalog, Service
from localmesh.catalog.hosts import is_wildcard, is_within
from localmesh.formats.hostnames import SERVICE_DOMAIN

MOST_CANDIDATES = 200
"""Among more names none is suggested: comparing 3,000 names with 3,000 others took 98 s."""


class HostHints:
    """Hints about hosts, with indexes that are built for the first one."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def hint(self, host: str) -> tuple[str, str]:
        """Why a full host is not a Service, in half a sentence, and the remedy."""
        for domain in (SERVICE_DOMAIN, "cluster.local"):
            if self._catalog.service(f"{host}.{domain}"):
                return "; a name with a dot is taken as it is", f"write {host}.{domain}"
        name, _, rest = host.partition(".")
        elsewhere = self._by_name.get(name, [])
        if elsewhere:
            return f"; there is {elsewhere[0].subject}", f"write {elsewhere[0].host}"
        if not rest.endswith(SERVICE_DOMAIN):
            return self._outside(host)
        namespace = rest.removesuffix(f".{SERVICE_DOMAIN}")
        beside = self._names_by_namespace.get(namespace, [])
        if len(beside) <= MOST_CANDIDATES and (close := get_close_matches(name, beside, n=1)):
            return "", f"write {close[0]}, or define the Service {namespace}/{name}"
        return "", f"correct the name, or define the Service {namespace}/{name}"

    def _outside(self, host: str) -> tuple[str, str]:
        wildcards = (service for service in self._catalog.services if is_wildcard(service.host))
        covering = [service for service in wildcards if is_within(host, service.host)]
        if covering:
            entry = covering[0]
            return f"; {entry.subject} has only {entry.host}", f"add {host} to the hosts of {entry.subject}"
        return "", "correct the name; hosts outside the mesh need a ServiceEntry"

    @cached_property
    def _by_name(self) -> Mapping[str, list[Service]]:
        services: dict[str, list[Service]] = {}
        for service in self._catalog.services:
            if not service.is_entry:
                services.setdefault(service.name, []).append(service)
        return services

    @cached_property
    def _names_by_namespace(self) -> Mapping[str, list[str]]:
        names: dict[str, list[str]] = {}
        for service in self._catalog.services:
            if not service.is_entry:
                names.setdefault(service.namespace, []).append(service.name)
        return names
