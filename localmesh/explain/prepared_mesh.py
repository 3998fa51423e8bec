"""A mesh as requests meet it: its proxies, each with its configuration, and its pods with their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from localmesh.catalog import Address, Catalog, Pod, Proxy
from localmesh.explain.explanation import Destination
from localmesh.explain.prepared import PreparedProxy, Tables
from localmesh.explain.request import Message
from localmesh.explain.upstreams import CalledPods, Upstream
from localmesh.formats.hostnames import SERVICE_DOMAIN
from localmesh.translate import TranslationCache, translate
from localmesh.translate.from_manifests import find


class PreparedMesh:
    """The proxies and pods of one mesh; each proxy is translated when it is first asked for, and kept."""

    def __init__(self, catalog: Catalog, known: Iterable[Proxy]) -> None:
        self.catalog = catalog
        self.proxies = tuple(known)
        self._cache = TranslationCache()
        self._tables = Tables()
        self._prepared: dict[tuple[str, str], PreparedProxy] = {}
        self._by_name = {(proxy.namespace, proxy.name): proxy for proxy in self.proxies}
        self._found: dict[str, Proxy | Pod] = {}
        self._pods: Mapping[tuple[str, int], Pod] = {
            (address.host, address.port): pod for pod in catalog.pods for address in pod.addresses.values()
        }
        self._addresses = {
            (pod.namespace, pod.name): address.host
            for pod in catalog.pods
            for address in pod.addresses.values()
        }

    def source_named(self, name: str) -> Proxy | Pod:
        """The first proxy of a workload, or that of a pod; a pod itself if it has none.

        Raises UnknownWorkloadError.
        """
        if name not in self._found:
            sources: list[Proxy | Pod] = list(self.proxies)
            sources += [pod for pod in self.catalog.pods if (pod.namespace, pod.name) not in self._by_name]
            self._found[name] = find(sources, name, self._workloads_of(name))
        return self._found[name]

    def _workloads_of(self, service_name: str) -> list[str]:
        """The workloads behind the Services of a name, which callers may have meant."""
        named = [s for s in self.catalog.services if service_name in (s.name, f"{s.name}.{s.namespace}")]
        return sorted({pod.workload for service in named for pod in self.catalog.pods_of(service)})

    def service_called(self, namespace: str, message: Message) -> Upstream:
        """What a name means to a pod without a sidecar: the Service of Kubernetes and its pods."""
        host, port = message.host, message.port
        names = (host, *(f"{host}.{domain}" for domain in (f"{namespace}.{SERVICE_DOMAIN}", SERVICE_DOMAIN)))
        names = (*names, f"{host}.cluster.local", host.rstrip("."))
        service = next((found for name in names if (found := self.catalog.service(name))), None)
        if service is None or service.is_entry or service.port(port) is None:
            return Upstream(Destination("", host, port, is_external=service is None or service.is_entry))
        target = next(each.target for each in service.ports if each.number == port)
        ready = [
            (pod, address)
            for pod in self.catalog.pods_of(service)
            if pod.ready and (address := pod.address(target)) is not None
        ]
        pods = tuple(pod.name for pod, _ in ready)
        called: dict[str, list[tuple[Pod, Address]]] = {}
        for pod, address in ready:
            called.setdefault(pod.workload, []).append((pod, address))
        groups = tuple(
            CalledPods(of[0][0], tuple(pod.name for pod, _ in of), (of[0][1].host, of[0][1].port), None)
            for of in called.values()
        )
        return Upstream(Destination("", service.host, port, pods=pods), None, groups)

    def prepared(self, proxy: Proxy) -> PreparedProxy:
        """A proxy with its configuration."""
        key = proxy.namespace, proxy.name
        if key not in self._prepared:
            config = translate(self.catalog, proxy, self._cache)
            self._prepared[key] = PreparedProxy(self.catalog, proxy, config, self._tables, self._pods)
        return self._prepared[key]

    def prepared_of(self, source: Proxy | Pod) -> PreparedProxy | None:
        """The proxy with its configuration; None for a pod without one."""
        return self.prepared(source) if isinstance(source, Proxy) else None

    def proxy_of(self, pod: Pod) -> Proxy | None:
        """The proxy of a pod: its sidecar, or the gateway that it is; None for a pod without one."""
        return self._by_name.get((pod.namespace, pod.name))

    def address_of(self, proxy: Proxy) -> str:
        """The address from which a proxy calls; "" if it is not known."""
        return self._addresses.get((proxy.namespace, proxy.name), "")

    def target_port(self, proxy: Proxy, port: int) -> int | None:
        """The port on which a gateway listens for a port that is called: that of its Service, or its own."""
        gateway = self.catalog.gateway(proxy.namespace, proxy.workload)
        servers = gateway.servers if gateway else ()
        by_number = (server.target_port for server in servers if server.number == port)
        own = (server.target_port for server in servers if server.target_port == port)
        listening = (target for target, address in proxy.listen.items() if address.port == port)
        return next(iter((*by_number, *own, *listening)), None)
