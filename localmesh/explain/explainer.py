"""Explains what becomes of requests in one mesh."""

from __future__ import annotations

from collections.abc import Iterable

from localmesh.analysis.gateway_selectors import gateway_selectors
from localmesh.catalog import Catalog, Pod, Proxy, ProxyKind
from localmesh.catalog.addressing import placed
from localmesh.catalog.default_gateways import EGRESS
from localmesh.explain.connections import gateway_chain, route_name_of
from localmesh.explain.explanation import Explanation
from localmesh.explain.prepared_mesh import PreparedMesh
from localmesh.explain.request import OUTSIDE, InvalidUrlError, Message, Request, message_of
from localmesh.explain.walk import UNKNOWN_ADDRESS, Walk
from localmesh.manifests import Resource
from localmesh.translate.from_manifests import proxies


class Explainer(PreparedMesh):
    """Answers what becomes of requests, from the configurations of the proxies of one mesh.

    Proxies are translated once: one Explainer can be asked thousands of requests.
    """

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
