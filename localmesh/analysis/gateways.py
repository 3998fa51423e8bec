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
        yield from _hosts(catalog, resource, named, servers)
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
        near = [gateway for gateway in known if gateway.namespace == wanted.partition("/")[0]]
        remedy = f"write {near[0].name}, or define it" if len(near) == 1 else remedy
    yield name.problem(warnings.MISSING_GATEWAY, name=f"Gateway {wanted}", hint=hint, remedy=remedy)


def _hosts(
    catalog: Catalog, resource: Resource, gateways: Sequence[Resource], servers: Mapping[str, list[Server]]
) -> Iterator[Problem]:
    """The hosts that none of the Gateways serves, if workloads serve all of them."""
    of_each = [servers.get(f"{gateway.namespace}/{gateway.name}", []) for gateway in gateways]
    if not all(of_each):
        return
    open_hosts = [host for own in of_each for server in own for host in server.hosts_for(resource.namespace)]
    for host in resource.root.get("spec", "hosts").items() if gateways else ():
        full = full_host((host.text or "").lower(), resource.namespace)
        if intersection(open_hosts, [full]):
            continue
        elsewhere = {
            each.namespace
            for own in of_each
            for server in own
            for each in server.hosts
            if intersection([each.name], [full])
        }
        yield host.problem(
            warnings.HOST_NOT_IN_GATEWAY,
            served=_served(resource, gateways, sorted(elsewhere)),
            remedy=_remedy(catalog, resource, full, sorted(elsewhere)),
        )


def _served(resource: Resource, gateways: Sequence[Resource], namespaces: Sequence[str]) -> str:
    """What the Gateways do instead of serving a host to the VirtualService."""
    subjects = listed((gateway.place.subject for gateway in gateways), "or")
    serve = "serves" if len(gateways) == 1 else "serve"
    if namespaces:
        only = f"VirtualServices of namespace {listed(namespaces, 'or')}"
        return f"open to namespace {resource.namespace} at {subjects}, which {serve} it only to {only}"
    known = [
        name.text or ""
        for gateway in gateways
        for server in gateway.root.get("spec", "servers").items()
        for name in server.get("hosts").items()
    ]
    return f"a host of {subjects}, which {serve} {listed(known)}"


def _remedy(catalog: Catalog, resource: Resource, host: str, namespaces: Sequence[str]) -> str:
    if namespaces:
        return f"write {resource.namespace}/{host} or */{host} in hosts of the Gateway"
    if catalog.service(host) is not None and MESH not in resource.spec.get("gateways", ()):
        return "add mesh to gateways for calls within the mesh, or the host to a server of the Gateway"
    return "add the host to a server of the Gateway, or correct it"
