"""The configuration of one proxy from manifests alone, without starting anything."""

from __future__ import annotations

from collections.abc import Iterable

from localmesh.catalog import Catalog, Proxy, build
from localmesh.catalog.addressing import SyntheticAllocator, plan_gateways, plan_pods
from localmesh.errors import InvalidInputError
from localmesh.manifests import Resource
from localmesh.translate import ProxyConfig, translate


class UnknownWorkloadError(InvalidInputError):
    """No workload or gateway has the name that was asked for; the message lists those that exist."""


def proxies(resources: Iterable[Resource]) -> tuple[Catalog, list[Proxy]]:
    """The catalog of these resources with all pods taken to be ready, and every proxy there would be."""
    resources = tuple(resources)
    catalog = build(resources)
    addresses = SyntheticAllocator()
    pods = plan_pods(catalog, addresses)
    gateways = plan_gateways(catalog.gateways, addresses)
    known = [pod.proxy for pod in pods if pod.proxy is not None] + [gateway.proxy for gateway in gateways]
    ready = [pod.as_endpoint(ready=True) for pod in pods]
    return catalog.with_pods([*ready, *(gateway.as_endpoint(ready=True) for gateway in gateways)]), known


def proxy_config(resources: Iterable[Resource], name: str) -> ProxyConfig:
    """The configuration of a proxy; for `name` see `find`. Raises UnknownWorkloadError."""
    catalog, known = proxies(resources)
    return translate(catalog, find(known, name))


def find(known: Iterable[Proxy], name: str) -> Proxy:
    """The proxy of a pod, or the first of a workload, by its name.

    The namespace may follow the name, as in ``web-v1.shop``, and must where the name alone is not unique.
    Raises UnknownWorkloadError.
    """
    known = list(known)
    found = [proxy for proxy in known if name in _names(proxy)]
    if not found:
        names = ", ".join(sorted({proxy.workload for proxy in known})) or "none"
        raise UnknownWorkloadError(f'no workload or gateway is called "{name}"; there are: {names}')
    places = sorted({f"{proxy.workload}.{proxy.namespace}" for proxy in found})
    if len(places) > 1:
        raise UnknownWorkloadError(f'"{name}" is not unique; say which: {", ".join(places)}')
    return found[0]


def _names(proxy: Proxy) -> tuple[str, ...]:
    names = (proxy.workload, proxy.name)
    return (*names, *(f"{name}.{proxy.namespace}" for name in names))
