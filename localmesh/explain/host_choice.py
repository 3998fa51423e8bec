"""Which object takes a host at a proxy, and why others that name it do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localmesh.catalog import MESH, Catalog, Proxy, Server, Service, VirtualService
from localmesh.catalog.hosts import full_host, intersection, is_wildcard, overlap, service_host
from localmesh.catalog.virtual_services import exported
from localmesh.explain.explanation import Reference
from localmesh.explain.prepared import PreparedProxy, owner_of
from localmesh.explain.request import Message
from localmesh.formats.hostnames import SERVICE_DOMAIN
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.service import SERVICE
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.problems import FieldPath
from localmesh.problems.fields import listed
from localmesh.translate.passed_on import OF_PASSED_ON

_NOT_IMPORTED = "the Sidecar of the caller does not import it"
_MESH_DOMAIN = SERVICE_DOMAIN.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that names the host and does not take it, with the reason, and how to change it."""

    reference: Reference
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class HostChoice:
    """What takes a host at one proxy.

    `host` is the full name, `service` the Service or ServiceEntry; `virtual_services` route it, `servers` are
    those of the Gateways that take it. `others` name the host too.
    """

    host: str
    service: Service | None = None
    service_reference: Reference | None = None
    virtual_services: tuple[Reference, ...] = ()
    servers: tuple[Reference, ...] = ()
    others: tuple[Candidate, ...] = ()


def host_choice(prepared: PreparedProxy, table_name: str, message: Message) -> HostChoice:
    """What takes the host of a request at a proxy, and what does not."""
    table = prepared.route_table(table_name)
    virtual_host, _ = table.virtual_host(message) if table else (None, "")
    owners = {owner_of(route) for route in (virtual_host or {"routes": ()})["routes"]} - {""}
    host = (virtual_host or {"name": ""})["name"].rpartition(":")[0].removeprefix(OF_PASSED_ON)
    names = full_names(message.host, prepared.proxy.namespace)
    if host and not prepared.is_gateway:
        names = (host, *names)
    chosen = [vs for vs in prepared.catalog.virtual_services if f"{vs.namespace}/{vs.name}" in owners]
    if prepared.is_gateway:
        choice = _AtGateway(prepared, table_name, names)
        return HostChoice(
            host=message.host,
            virtual_services=_references(chosen),
            servers=tuple(choice.servers()),
            others=tuple(choice.others(owners)),
        )
    service = prepared.catalog.sidecar_scope(prepared.proxy).service(host) if host else None
    return HostChoice(
        host=host or names[0],
        service=service,
        service_reference=service_reference(prepared.catalog, service) if service else None,
        virtual_services=_references(chosen),
        others=tuple(_others_at_sidecar(prepared, names, chosen, service, message.port)),
    )


def servers_of_port(catalog: Catalog, proxy: Proxy, message: Message) -> Iterator[Reference]:
    """The servers of Gateways on a called port of a gateway that are for the host."""
    gateway = catalog.gateway(proxy.namespace, proxy.workload)
    for server in gateway.servers if gateway else ():
        is_for_host = any(overlap(host.name, message.host) for host in server.hosts)
        if message.port in (server.number, server.target_port) and is_for_host:
            yield from _server_reference(catalog, server)


def _server_reference(catalog: Catalog, server: Server) -> Iterator[Reference]:
    namespace, _, name = server.gateway.partition("/")
    resource = catalog.objects.named(GATEWAY, namespace, name)
    if resource is not None:
        yield Reference(resource, FieldPath("spec", "servers", server.index))


def service_reference(catalog: Catalog, service: Service) -> Reference | None:
    """The object that defines a Service or the host of a ServiceEntry."""
    if not service.is_entry:
        resource = catalog.objects.named(SERVICE, service.namespace, service.name)
        return Reference(resource) if resource is not None else None
    entries = catalog.objects.of(SERVICE_ENTRY)
    entry = next((entry for entry in entries if entry.place.subject == service.subject), None)
    return Reference(entry, FieldPath("spec", "hosts")) if entry is not None else None


def _references(virtual_services: list[VirtualService]) -> tuple[Reference, ...]:
    return tuple(Reference(*vs.resource.origin(FieldPath("spec", "hosts"))) for vs in virtual_services)


def full_names(host: str, namespace: str) -> tuple[str, ...]:
    """The full names that a host can stand for, the likeliest first."""
    full = full_host(host, namespace)
    longer = (f"{host}.{SERVICE_DOMAIN}", f"{host}.{_MESH_DOMAIN}") if "." in host else ()
    return tuple(dict.fromkeys((full, host.removesuffix("."), *longer)))


def _overlaps(virtual_service: VirtualService, names: tuple[str, ...], *, named: bool) -> str | None:
    """The host of a VirtualService that covers one of these names; if it must be `named`, not with a star."""
    hosts = (host for host in virtual_service.hosts if not (named and host == "*"))
    return next((host for host in hosts for name in names if overlap(host, name)), None)


def _others_at_sidecar(
    prepared: PreparedProxy,
    names: tuple[str, ...],
    chosen: list[VirtualService],
    service: Service | None,
    port: int,
) -> Iterator[Candidate]:
    """The Services and VirtualServices that a sidecar does not use for a host."""
    out_of_reach = list(_services_out_of_reach(prepared, names, port)) if service is None else []
    yield from out_of_reach
    for virtual_service in prepared.catalog.virtual_services:
        is_for_gateways = MESH not in virtual_service.gateways
        host = _overlaps(virtual_service, names, named=is_for_gateways or bool(chosen))
        if virtual_service in chosen:
            continue
        if host is None:
            meant = list(_in_its_own_namespace(virtual_service, names[0]))
            yield from meant or _for_other_hosts(virtual_service, service)
            continue
        reason = _why_not(prepared, virtual_service, host, chosen)
        if not reason and not out_of_reach and prepared.catalog.service(names[0]) is None:
            reason = f"there is no Service or ServiceEntry {names[0]} that it could route"
        elif not reason and not out_of_reach:
            reason = f"it has no routes for port {port}: the host has no HTTP port of that number"
        if reason and not (reason == _NOT_IMPORTED and out_of_reach):
            reference = Reference(virtual_service.resource, FieldPath("spec", "hosts"))
            yield Candidate(reference, reason, _fix_of(prepared, virtual_service))


def _in_its_own_namespace(virtual_service: VirtualService, name: str) -> Iterator[Candidate]:
    """A VirtualService whose host is a short name, which means the Service of its own namespace."""
    bare = name.partition(".")[0]
    if name == service_host(bare, virtual_service.namespace) or not name.endswith(SERVICE_DOMAIN):
        return
    written = virtual_service.resource.spec["hosts"]
    if bare in written and service_host(bare, virtual_service.namespace) in virtual_service.hosts:
        reason = (
            f'its host "{bare}" means {service_host(bare, virtual_service.namespace)}, a Service of its own '
            f"namespace; write {name}"
        )
        path = FieldPath("spec", "hosts", written.index(bare))
        yield Candidate(Reference(virtual_service.resource, path), reason)


def _for_other_hosts(virtual_service: VirtualService, called: Service | None) -> Iterator[Candidate]:
    """A VirtualService of the mesh that routes to the called Service, but not the requests for its name."""
    is_of_mesh = MESH in virtual_service.gateways
    if called is not None and is_of_mesh and called.host in virtual_service.destination_hosts:
        hosts = listed(virtual_service.resource.spec["hosts"])
        reason = f"it routes to this Service, but only requests for {hosts}"
        fix = f"add {called.name} to spec.hosts, if it is for requests for this name too"
        yield Candidate(Reference(virtual_service.resource, FieldPath("spec", "hosts")), reason, fix)


def _services_out_of_reach(prepared: PreparedProxy, names: tuple[str, ...], port: int) -> Iterator[Candidate]:
    catalog, proxy = prepared.catalog, prepared.proxy
    bare = names[0].partition(".")[0]
    same_name = (s for s in catalog.services if not s.is_entry and s.name == bare and names[0] != s.host)
    named = (s for name in names if (s := catalog.service(name)))
    for service in {service.host: service for service in (*named, *same_name)}.values():
        reference = service_reference(catalog, service)
        if reference is not None:
            sidecar, fix = catalog.sidecar_of(proxy), ""
            reason = _why_not_callable(catalog, proxy, service, names, port)
            if sidecar is not None and reason == _NOT_IMPORTED:
                reference = Reference(sidecar.resource, FieldPath("spec", "egress"))
                reason = f"it does not import {service.subject}: no entry of egress.hosts includes it"
                own = "." if service.namespace == sidecar.resource.namespace else service.namespace
                fix = f'add "{own}/{service.host}" to egress.hosts'
            elif not exported(service.export_to, service.namespace, proxy.namespace):
                fix = f"add {proxy.namespace} to exportTo"
            yield Candidate(reference, reason, fix)


def _why_not_callable(
    catalog: Catalog, proxy: Proxy, service: Service, names: tuple[str, ...], port: int
) -> str:
    """Why a sidecar has no virtual host for a Service on a port."""
    if not exported(service.export_to, service.namespace, proxy.namespace):
        return f"it is not exported to namespace {proxy.namespace} (exportTo: {listed(service.export_to)})"
    scope = catalog.sidecar_scope(proxy)
    if service.host not in {seen.host for seen in scope.callable}:
        return _NOT_IMPORTED
    declared = service.port(port)
    if declared is None:
        return f"it has no port {port}, but {listed(str(each.number) for each in service.ports)}"
    if not declared.protocol.may_be_http:
        name = f'named "{declared.name}"' if declared.name else "not named"
        return (
            f"its port {port} is {name}, so Istio takes it for {declared.protocol.value} and applies no HTTP "
            "routes (on a cluster it forwards the connection; to pods that are started elsewhere localmesh "
            "gives no address for it); name it http, or set appProtocol: http"
        )
    if service.host not in names:
        return f"it is in namespace {service.namespace}: call it {service.name}.{service.namespace}"
    return "its name is not one that pods of this namespace call it by"


def _why_not(prepared: PreparedProxy, other: VirtualService, host: str, chosen: list[VirtualService]) -> str:
    """Why a sidecar does not use a VirtualService for a host; "" if not for a reason of its own."""
    if MESH not in other.gateways:
        gateways = listed(sorted(other.gateways))
        return f"it is bound to {gateways}, and not to mesh, which stands for all sidecars"
    namespace = prepared.proxy.namespace
    if not other.visible_from(namespace):
        return f"it is not exported to namespace {namespace} (exportTo: {listed(other.export_to)})"
    if other not in prepared.catalog.sidecar_scope(prepared.proxy).virtual_services:
        return _NOT_IMPORTED
    if chosen:
        taker = chosen[0]
        subject = taker.resource.place.subject
        if is_wildcard(host) and not any(map(is_wildcard, taker.hosts)):
            return f"{subject} names the host exactly, and this one only as {host}"
        return f"{subject} is older, and sidecars use only the oldest VirtualService for a host"
    return ""


def _fix_of(prepared: PreparedProxy, other: VirtualService) -> str:
    """How a VirtualService comes to apply to a sidecar; "" where it need not."""
    namespace = prepared.proxy.namespace
    if MESH not in other.gateways:
        return "add mesh to spec.gateways, if it is for calls within the mesh too"
    return "" if other.visible_from(namespace) else f"add {namespace} to exportTo"


class _AtGateway:
    """The servers and VirtualServices of one route configuration of a gateway."""

    def __init__(self, prepared: PreparedProxy, table: str, names: tuple[str, ...]) -> None:
        self._prepared = prepared
        self._names = names
        gateway = prepared.catalog.gateway(prepared.proxy.namespace, prepared.proxy.workload)
        self._all: tuple[Server, ...] = gateway.servers if gateway else ()
        self._servers = [server for server in self._all if server.route_name == table]

    def servers(self) -> Iterator[Reference]:
        """The servers of Gateways that take the host."""
        for server in self._servers:
            if any(overlap(host.name, name) for host in server.hosts for name in self._names):
                yield from _server_reference(self._prepared.catalog, server)

    def others(self, owners: set[str]) -> Iterator[Candidate]:
        """The VirtualServices that name the host and have no routes for it here."""
        for other in self._prepared.catalog.virtual_services:
            key = f"{other.namespace}/{other.name}"
            host = _overlaps(other, self._names, named=bool(owners))
            if key not in owners and host is not None:
                reference = Reference(other.resource, FieldPath("spec", "hosts"))
                reason, path, fix = self._why_not(other, host)
                yield Candidate(Reference(other.resource, path) if path else reference, reason, fix)

    def _why_not(self, other: VirtualService, host: str) -> tuple[str, FieldPath | None, str]:
        catalog, own = self._prepared.catalog, {server.gateway for server in self._servers}
        field = FieldPath("spec", "gateways")
        bound = sorted(other.gateways - {MESH})
        if not bound:
            reason = "it has no gateways, so it applies to sidecars only (gateway mesh)"
            return reason, None, f"add {listed(sorted(own), 'or')} to spec.gateways"
        unknown = [name for name in bound if catalog.objects.named(GATEWAY, *name.split("/", 1)) is None]
        if not own & other.gateways:
            if unknown:
                known = listed(sorted(own)) if own else "none"
                return f"there is no Gateway {listed(unknown)}; the one here is {known}", field, ""
            return self._elsewhere(bound, listed(sorted(own), "or"))
        namespace = self._prepared.proxy.namespace
        if not other.visible_from(namespace):
            reason = f"it is not exported to namespace {namespace}"
            return reason, FieldPath("spec", "exportTo"), f"add {namespace} to exportTo"
        bound_here = [server for server in self._servers if server.gateway in other.gateways]
        open_hosts = [name for server in bound_here for name in server.hosts_for(other.namespace)]
        if not intersection(open_hosts, other.hosts):
            return self._not_served(bound_here, other, host)
        return f"another VirtualService names the host more exactly than {host}", None, ""

    def _elsewhere(self, bound: list[str], own: str) -> tuple[str, FieldPath | None, str]:
        """Why the Gateways of a VirtualService do not serve this port: by their ports or selectors."""
        field, fix = FieldPath("spec", "gateways"), f"add {own} to spec.gateways" if own else ""
        ports = sorted({server.number for server in self._all if server.gateway in bound})
        if ports:
            reason = f"it is bound to {listed(bound)}, of which the gateway serves {listed(map(str, ports))}"
            return reason, field, fix
        workload = self._prepared.proxy.workload
        reason = f"it is bound to {listed(bound)}, whose selector does not fit the pods of {workload}"
        return reason, field, f"correct spec.selector of the Gateway{f', or {fix}' if fix else ''}"

    def _not_served(
        self, bound: list[Server], other: VirtualService, host: str
    ) -> tuple[str, FieldPath | None, str]:
        """Why the servers of its Gateways do not serve the hosts of a VirtualService."""
        fitting = [each for server in bound for each in server.hosts if overlap(each.name, host)]
        if fitting:
            namespaces = listed(sorted({each.namespace for each in fitting}), "or")
            reason = f"the Gateway serves {host} only to VirtualServices of namespace {namespaces}"
            return reason, None, f"write {other.namespace}/{host} or */{host} in hosts of the Gateway"
        served = listed(sorted({each.name for server in bound for each in server.hosts}))
        reason = f"the Gateway serves {served} to it, which does not include {host}"
        return reason, None, "add the host to a server of the Gateway"
