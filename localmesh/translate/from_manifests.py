"""Proxies and their configuration from manifests alone, without running anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from localmesh.catalog import Catalog, Proxy, build
from localmesh.catalog.addressing import placed
from localmesh.errors import InvalidInputError
from localmesh.manifests import Resource
from localmesh.problems.fields import listed
from localmesh.translate import ProxyConfig, translate


class UnknownWorkloadError(InvalidInputError):
    """No workload or gateway has the requested name, or more than one has it."""


def proxies(resources: Iterable[Resource]) -> tuple[Catalog, list[Proxy]]:
    """The catalog of these resources with all pods ready, and all proxies that would run."""
    return placed(build(tuple(resources)))


def proxy_config(resources: Iterable[Resource], name: str) -> ProxyConfig:
    """The configuration of a proxy; for `name` see `find`. Raises UnknownWorkloadError."""
    catalog, known = proxies(resources)
    return translate(catalog, find(known, name))


class Named(Protocol):
    """A proxy or a pod."""

    @property
    def name(self) -> str:
        """The name of the pod."""

    @property
    def namespace(self) -> str:
        """The namespace of the pod."""

    @property
    def workload(self) -> str:
        """The name of the workload."""


AnyNamed = TypeVar("AnyNamed", bound=Named)


def find(known: Iterable[AnyNamed], name: str, meant: Sequence[str] = ()) -> AnyNamed:
    """The proxy of a pod with that name, or the first proxy of a workload with that name.

    The name can have its namespace appended, as in ``web-v1.shop``, and must have it if it is not unique.
    `meant` are workloads to propose if there is none of that name. Raises UnknownWorkloadError.
    """
    known = list(known)
    matching = [proxy for proxy in known if name in _names(proxy)]
    if not matching:
        if meant:
            raise UnknownWorkloadError(f'"{name}" is a Service: write {listed(meant, "or")}')
        names = ", ".join(sorted({proxy.workload for proxy in known})) or "none"
        raise UnknownWorkloadError(f'no workload or gateway is called "{name}"; there are: {names}')
    workloads = sorted({f"{proxy.workload}.{proxy.namespace}" for proxy in matching})
    if len(workloads) > 1:
        raise UnknownWorkloadError(f'"{name}" is not unique; use one of: {", ".join(workloads)}')
    return matching[0]


def _names(proxy: Named) -> tuple[str, ...]:
    names = (proxy.workload, proxy.name)
    return (*names, *(f"{name}.{proxy.namespace}" for name in names))
