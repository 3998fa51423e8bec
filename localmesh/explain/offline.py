"""The configuration of one proxy from manifests alone, without starting anything."""

from __future__ import annotations

from collections.abc import Iterable

from localmesh.catalog import Catalog, Proxy, build
from localmesh.catalog.addressing import SyntheticAllocator, injection, plan_gateway, plan_pods
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
    pods = plan_pods(catalog.workloads, catalog.services_of, injection(resources), addresses)
    gateways = [plan_gateway(gateway, addresses) for gateway in catalog.gateways]
    sidecars = [pod.proxy for pod in pods if pod.proxy is not None]
    return catalog.with_pods(pod.as_endpoint(ready=True) for pod in pods), sidecars + gateways


def proxy_config(resources: Iterable[Resource], name: str) -> ProxyConfig:
    """The configuration of a workload's sidecar (its first pod's) or of a gateway.

    `name` is a Deployment's name or a gateway's selector value, with ``.namespace`` behind it where the
    name alone is not unique. Raises UnknownWorkloadError.
    """
    catalog, known = proxies(resources)
    return translate(catalog, find(known, name))


def find(known: Iterable[Proxy], name: str) -> Proxy:
    """The first proxy of that workload. Raises UnknownWorkloadError, also where the name is not unique."""
    known = list(known)
    found = [proxy for proxy in known if name in (proxy.workload, f"{proxy.workload}.{proxy.namespace}")]
    if not found:
        names = ", ".join(sorted({proxy.workload for proxy in known})) or "none"
        raise UnknownWorkloadError(f'no workload or gateway is called "{name}"; there are: {names}')
    places = sorted({f"{proxy.workload}.{proxy.namespace}" for proxy in found})
    if len(places) > 1:
        raise UnknownWorkloadError(f'"{name}" is not unique; say which: {", ".join(places)}')
    return found[0]
