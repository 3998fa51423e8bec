"""Calls of hosts outside: paths at the gateway that lead to workloads with an address to call (LOGIC_URL)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadgen.measurement.sentiment import PATH
from loadgen.meshstate import Call, NotConfigured, Resources, Route, UnsupportedConfig
from loadgen.meshstate.resources import service_name
from loadgen.meshstate.routes import edge_route, gateway_routes_with

ADDRESS = "LOGIC_URL"


@dataclass(frozen=True, slots=True)
class OutsideCall:
    """A path at the gateway, the Service it leads to, and the host that its workload then calls."""

    path: str
    service: str
    host: str


def read_calls(resources: Resources, *, remedy: str) -> list[OutsideCall]:
    """Every path at the gateway that takes sentences, with the host that is called behind it."""
    routes = [(PATH, edge_route(resources, Call("POST", PATH)))]
    try:
        rewritten = gateway_routes_with(resources, "rewrite", "uri")
    except NotConfigured as finding:
        raise NotConfigured(f"{finding}, so no workload calls an external host; {remedy}") from None
    routes += [(path, route) for path, route in rewritten if route.spec["rewrite"]["uri"] == PATH]
    return [OutsideCall(path, *_called(resources, route)) for path, route in routes]


def _called(resources: Resources, route: Route) -> tuple[str, str]:
    """The Service that a route leads to, and the host in the environment of the container behind it."""
    services = [service_name(entry["destination"]["host"]) for entry in route.destinations]
    service = services[0] if len(services) == 1 else ""
    hosts = {
        str(urlsplit(variable["value"]).hostname)
        for container in _containers(resources, service)
        for variable in container.get("env") or ()
        if variable["name"] == ADDRESS
    }
    if len(hosts) != 1:
        raise UnsupportedConfig(
            f"{route.where} leads to {len(hosts)} containers with {ADDRESS}: one is expected"
        )
    return service, hosts.pop()


def _containers(resources: Resources, service: str) -> Iterator[Mapping[str, Any]]:
    """The containers that a Service's port leads to."""
    for spec in (item["spec"] for item in resources.services if item["metadata"]["name"] == service):
        for pod in (item["spec"]["template"] for item in resources.deployments):
            if not spec["selector"].items() <= pod["metadata"]["labels"].items():
                continue
            for container in pod["spec"]["containers"]:
                ports = container.get("ports") or ()
                names = {port.get("name") for port in ports} | {port["containerPort"] for port in ports}
                if names & {port.get("targetPort", port["port"]) for port in spec["ports"]}:
                    yield container
