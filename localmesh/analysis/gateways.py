"""The Gateways that VirtualServices name (istio: analyzers/gateway, analyzers/virtualservice)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from localmesh.catalog import MESH, Catalog, Server
from localmesh.catalog.hosts import full_host, intersection
from localmesh.catalog.virtual_services import gateway_name
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed


def gateways(catalog: Catalog) -> Iterator[Problem]:
    """All Gateways that VirtualServices and their matches name."""
    servers: dict[str, list[Server]] = {}
    for server in (server for gateway in catalog.gateways for server in gateway.servers):
        servers.setdefault(server.gateway, []).append(server)
    for resource in catalog.objects.of(VIRTUAL_SERVICE):
        spec = resource.root.get("spec")
        named: list[Resource] = []
        for name in spec.get("gateways").items():
            if gateway := _gateway(catalog, name, resource):
                named.append(gateway)
            else:
                yield from _missing(catalog, name, resource)
        yield from _hosts(resource, named, servers)
        for route in spec.get("http").items():
            for match in route.get("match").items():
                for name in match.get("gateways").items():
                    if _gateway(catalog, name, resource) is None:
                        yield from _missing(catalog, name, resource)


def _gateway(catalog: Catalog, name: Field, resource: Resource) -> Resource | None:
    namespace, _, bare = gateway_name(name.text or "", resource.namespace).rpartition("/")
    return catalog.objects.named(GATEWAY, namespace, bare)


def _missing(catalog: Catalog, name: Field, resource: Resource) -> Iterator[Problem]:
    if name.text == MESH:
        return
    wanted = gateway_name(name.text or "", resource.namespace)
    bare = wanted.rpartition("/")[2]
    known = catalog.objects.of(GATEWAY)
    elsewhere = [gateway for gateway in known if gateway.name == bare]
    hint, remedy = "", "define it, or correct the name"
    if elsewhere:
        hint = f"; there is {elsewhere[0].place.subject}"
        remedy = f"write {elsewhere[0].namespace}/{bare}"
    elif known:
        hint = f"; there is {listed(gateway.place.subject for gateway in known)}"
    yield name.problem(warnings.MISSING_GATEWAY, name=f"Gateway {wanted}", hint=hint, remedy=remedy)


def _hosts(
    resource: Resource, gateways: Sequence[Resource], servers: Mapping[str, list[Server]]
) -> Iterator[Problem]:
    """The hosts that none of the Gateways serves, if workloads serve all of them."""
    of_each = [servers.get(f"{gateway.namespace}/{gateway.name}", []) for gateway in gateways]
    if not all(of_each):
        return
    open_hosts = [host for own in of_each for server in own for host in server.hosts_for(resource.namespace)]
    for host in resource.root.get("spec", "hosts").items() if gateways else ():
        if not intersection(open_hosts, [full_host((host.text or "").lower(), resource.namespace)]):
            known = [
                name.text or ""
                for gateway in gateways
                for server in gateway.root.get("spec", "servers").items()
                for name in server.get("hosts").items()
            ]
            yield host.problem(
                warnings.HOST_NOT_IN_GATEWAY,
                gateway=listed((gateway.place.subject for gateway in gateways), "or"),
                verb="serves" if len(gateways) == 1 else "serve",
                known=listed(known),
            )
