"""Ports without a declared protocol that pods call with a scheme other than that of HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from localmesh.catalog import Catalog, Service
from localmesh.catalog.called_hosts import names_of
from localmesh.catalog.hosts import service_host
from localmesh.catalog.services import Protocol
from localmesh.catalog.told import texts_of
from localmesh.kinds.service import SERVICE
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import quoted

_HTTP = frozenset({"http", "https", "ws", "wss", "grpc", "grpcs", "h2c"})
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*)://(?:[^\s/@\"']*@)?([a-z0-9][a-z0-9.-]*)(?::(\d{1,5}))?")


def undeclared_ports(catalog: Catalog) -> Iterator[Problem]:
    """The ports whose protocol Istio detects on each connection; here these are called as HTTP only."""
    undeclared = tuple(
        service
        for service in catalog.services
        if not service.is_entry and any(port.protocol is Protocol.SNIFFED for port in service.ports)
    )
    called = _called(catalog, undeclared) if undeclared else {}
    for resource in catalog.objects.of(SERVICE) if called else ():
        host = service_host(resource.name, resource.namespace)
        for port in resource.root.get("spec", "ports").items():
            if url := called.get((host, port.get("port").integer or 0)):
                written = port.get("appProtocol") or port.get("name") or port
                yield written.problem(warnings.UNDECLARED_PORT, url=quoted(url))


def _called(catalog: Catalog, undeclared: tuple[Service, ...]) -> Mapping[tuple[str, int], str]:
    """The undeclared ports that pods are told a URL of, each with the URL."""

    @cache
    def names(namespace: str) -> Mapping[str, Service]:
        return {name: service for service in undeclared for name in names_of(service.host, namespace)}

    called: dict[tuple[str, int], str] = {}
    for workload in filter(catalog.is_injected, catalog.workloads):
        for text in texts_of(workload, catalog.config):
            for scheme, host, number in _URL.findall(text):
                service = names(workload.namespace).get(host)
                if service is None or scheme in _HTTP:
                    continue
                for port in service.ports:
                    is_meant = port.number == int(number) if number else len(service.ports) == 1
                    if is_meant and port.protocol is Protocol.SNIFFED:
                        called.setdefault((service.host, port.number), f"{scheme}://{host}")
    return called
