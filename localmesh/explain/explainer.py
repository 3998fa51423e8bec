"""Explains what becomes of requests in one mesh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from localmesh.analysis.gateway_selectors import gateway_selectors
from localmesh.catalog import Address, Catalog, Pod, Proxy, ProxyKind
from localmesh.catalog.addressing import placed
from localmesh.catalog.default_gateways import EGRESS
from localmesh.explain.connections import gateway_chain, route_name_of
from localmesh.explain.explanation import Destination, Explanation
from localmesh.explain.prepared import PreparedProxy, Tables
from localmesh.explain.request import OUTSIDE, InvalidUrlError, Message, Request, message_of
from localmesh.explain.upstreams import CalledPods, Upstream
from localmesh.explain.walk import UNKNOWN_ADDRESS, Walk
from localmesh.formats.hostnames import SERVICE_DOMAIN
from localmesh.manifests import Resource
from localmesh.translate import TranslationCache, translate
from localmesh.translate.from_manifests import find, proxies


class Explainer:
    """Answers what becomes of requests, from the configurations of the proxies of one mesh.

    Each proxy is translated when the first request meets it, and kept: one Explainer can be asked thousands
    of requests.
    """

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

    @classmethod
    def over(cls, catalog: Catalog) -> Explainer:
        """An Explainer over a catalog, with all pods ready."""
        return cls(*placed(catalog))

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> Explainer:
        """An Explainer over the mesh of these objects, with all pods ready."""
        return cls(*proxies(resources))

    def explain(self, request: Request) -> Explanation:
        """What becomes of a request. Raises UnknownWorkloadError, InvalidUrlError."""
        walk = Walk(self, request)
        if request.source == OUTSIDE:
            walk.enter(self._gateway_for(request))
        else:
            source = self.source_named(request.source)
            if isinstance(source, Pod):
                walk.call_directly(source)
            elif source.kind is ProxyKind.GATEWAY:
                walk.enter(source)
            else:
                walk.leave(source)
        return Explanation(request, tuple(walk.hops), tuple(walk.outcomes))

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

    def _gateway_for(self, request: Request) -> Proxy:
        """The gateway for a request from outside: one that serves its port, and if possible its host."""
        gateways = [proxy for proxy in self.proxies if proxy.kind is ProxyKind.GATEWAY]
        # Istio's egress gateway is for requests that leave the mesh
        gateways = [proxy for proxy in gateways if proxy.workload != EGRESS] or gateways
        if not gateways:
            raise InvalidUrlError(self._without_gateway())
        message = message_of(request, UNKNOWN_ADDRESS, self.catalog.mesh_config.path_normalization)
        serving = [proxy for proxy in gateways if self.target_port(proxy, message.port) is not None]
        knowing = [proxy for proxy in serving if self._knows(proxy, message)]
        return next(iter((*knowing, *serving, *gateways)))

    def _without_gateway(self) -> str:
        """Why no gateway runs: no object needs one, or none has the labels that a Gateway selects."""
        problem = next(gateway_selectors(self.catalog), None)
        if problem is None:
            return "no gateway runs here, as there is no Gateway: add one, or name a workload with --from"
        where = f"{problem.place.subject}, {problem.path}"
        return f"no gateway runs here: {where}: {problem.message} ({problem.code}); {problem.fix}"

    def _knows(self, proxy: Proxy, message: Message) -> bool:
        prepared = self.prepared(proxy)
        listener = prepared.listeners.get(f"0.0.0.0_{self.target_port(proxy, message.port)}")
        chain = gateway_chain(listener, message)[0] if listener is not None else None
        if chain is None or not route_name_of(chain):
            return chain is not None
        table = prepared.route_table(route_name_of(chain))
        virtual_host = table.virtual_host(message)[0] if table else None
        return virtual_host is not None and bool(virtual_host["routes"] or virtual_host.get("requireTls"))


def explain(mesh: Explainer | Catalog | Iterable[Resource], request: Request) -> Explanation:
    """What becomes of a request in a mesh; for many requests make an `Explainer` once.

    Raises UnknownWorkloadError, InvalidUrlError.
    """
    if isinstance(mesh, Explainer):
        return mesh.explain(request)
    return (Explainer.over(mesh) if isinstance(mesh, Catalog) else Explainer.of(mesh)).explain(request)
