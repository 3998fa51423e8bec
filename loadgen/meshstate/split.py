"""Which share of the requests each version of a service gets, and how often each version is made to fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.meshstate.resources import (
    NotConfigured,
    Object,
    Resources,
    UnsupportedConfig,
    pod_labels,
    qualified,
    service_name,
)
from loadgen.meshstate.routes import Call, CallPath, Route, edge_route, inner_route, route_in_mesh

DEFAULT_HANG_SECONDS = 3.0
"""The services' default of HANG_SECONDS."""
DEFAULT_SEED = "sentimesh"
"""The services' default of FAULT_SEED."""


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How often a version is made to fail, by its Deployment's environment; percentages of its requests."""

    error_percent: float = 0.0
    hang_percent: float = 0.0
    hang_seconds: float = 0.0
    seed: str = DEFAULT_SEED

    @property
    def failing(self) -> float:
        """The share of its requests that fail, in 0..1: those that hang fail in the end."""
        return (self.error_percent + self.hang_percent) / 100


@dataclass(frozen=True, slots=True)
class Split:
    """The versions of a service: the share of each (in 0..1; 0 if nothing is routed to it) and its faults."""

    service: str
    where: str
    shares: Mapping[str, float]
    fault_rates: Mapping[str, FaultRates]


@dataclass(frozen=True, slots=True)
class Shares:
    """The share in 0..1 of each version that gets any requests, and the route that decides it."""

    where: str
    shares: Mapping[str, float]


def read_split(resources: Resources, path: CallPath, *, remedy: str) -> Split:
    """The split of the service at the end of the path.

    Raises NotConfigured, ending in `remedy`, if weights do not split it; UnsupportedConfig if they do so in
    a way that is not evaluated here.
    """
    service = path.service
    route = inner_route(resources, path)
    if route is None:
        raise NotConfigured(
            f"no VirtualService of namespace {resources.namespace} routes calls to {service}; {remedy}"
        )
    if len(route.destinations) < 2:
        raise NotConfigured(
            f"{route.where} does not split {service} by weights, it {_action(route)}; {remedy}"
        )
    shares = shares_of(resources, route)
    for version in _versions_of_subsets(resources, service):
        shares.setdefault(version, 0.0)
    fault_rates = {version: fault_rates_of(resources, service, version) for version in sorted(shares)}
    return Split(service, route.where, dict(sorted(shares.items())), fault_rates)


def shares_at_gateway(resources: Resources, service: str, call: Call) -> Shares:
    """How the ingress gateway distributes a call among the versions of `service`."""
    return _shares(resources, service, edge_route(resources, call))


def shares_in_mesh(resources: Resources, service: str, call: Call, *, caller: str) -> Shares:
    """How the sidecar of `caller` distributes its call among the versions of `service`."""
    return _shares(resources, service, route_in_mesh(resources, service, call, caller=caller))


def _shares(resources: Resources, service: str, route: Route) -> Shares:
    others = {
        entry["destination"]["host"]
        for entry in route.destinations
        if not _is_part_of(resources, entry["destination"]["host"], service)
    }
    if others or not route.destinations:
        raise NotConfigured(
            f"{route.where} leads to {', '.join(sorted(others)) or 'no service'}, not {service}"
        )
    shares = shares_of(resources, route)
    return Shares(route.where, {version: share for version, share in sorted(shares.items()) if share})


def _is_part_of(resources: Resources, host: str, service: str) -> bool:
    """Whether a host is a Service, or another one that selects some of its pods, as for a version."""
    selectors = {
        qualified(item["metadata"]["name"], resources.namespace): item["spec"].get("selector") or {}
        for item in resources.services
    }
    whole, part = (selectors.get(qualified(name, resources.namespace)) for name in (service, host))
    is_same = qualified(host, resources.namespace) == qualified(service, resources.namespace)
    return is_same or bool(whole and part and whole.items() <= part.items())


def fault_rates_of(resources: Resources, service: str, version: str) -> FaultRates:
    """The fault rates of a version, from the environment of its Deployments; several must agree."""
    deployments = resources.deployments_with({"app": service, "version": version})
    rates = {_fault_rates(deployment) for deployment in deployments}
    if len(rates) > 1:
        raise UnsupportedConfig(
            f"the Deployments of {service} {version} do not agree on FAULT_* in their environment"
        )
    return rates.pop() if rates else FaultRates()


def _action(route: Route) -> str:
    if not route.destinations:
        fields = ", ".join(sorted(set(route.spec) - {"match", "name"})) or "nothing"
        return f"has {fields} instead of a route"
    return f"sends everything to {_named(route.destinations[0]['destination'])}"


def _named(destination: Object) -> str:
    subset = destination.get("subset")
    return f"{destination['host']} subset {subset}" if subset else str(destination["host"])


def shares_of(resources: Resources, route: Route) -> dict[str, float]:
    """Each version's part of the sum of the weights, which need not be 100; a single destination gets all."""
    weights = [int(destination.get("weight", 0)) for destination in route.destinations]
    if len(weights) == 1:
        weights = [1]
    if not sum(weights):
        raise NotConfigured(f"{route.where}: the weights add up to 0")
    shares: dict[str, float] = {}
    for destination, weight in zip(route.destinations, weights, strict=True):
        version = version_of_destination(resources, destination["destination"], route)
        shares[version] = shares.get(version, 0.0) + weight / sum(weights)
    return shares


def version_of_destination(resources: Resources, destination: Object, route: Route) -> str:
    """The one version behind a destination."""
    named = _named(destination)
    name = service_name(destination["host"])
    service = next((item for item in resources.services if item["metadata"]["name"] == name), None)
    if service is None:
        raise NotConfigured(f"{route.where} sends to {named}, but there is no such Service")
    labels = _subset_labels(resources, destination, route)
    selector = {**service["spec"].get("selector", {}), **labels}
    versions = {pod_labels(item).get("version", "") for item in resources.deployments_with(selector)}
    if not versions:
        text = ", ".join(f"{label}={value}" for label, value in sorted(selector.items()))
        raise NotConfigured(f"{route.where} sends to {named}, but no Deployment has the labels {text}")
    if len(versions) > 1 or "" in versions:
        raise UnsupportedConfig(
            f"{route.where} sends to {named}, which is not one version but "
            f"{', '.join(sorted(version or 'one without a version label' for version in versions))}: "
            "weights do not decide the share of each"
        )
    return versions.pop()


def _subset_labels(resources: Resources, destination: Object, route: Route) -> Mapping[str, str]:
    name = destination.get("subset")
    if name is None:
        return {}
    for subset in _subsets(resources, destination["host"]):
        if subset["name"] == name:
            return subset.get("labels") or {}
    raise NotConfigured(
        f"{route.where} sends to {_named(destination)}, but no DestinationRule has that subset"
    )


def _subsets(resources: Resources, host: str) -> list[Mapping[str, Any]]:
    """The subsets of a host; those of several DestinationRules for it are merged."""
    return [subset for rule in resources.rules_of(host) for subset in rule["spec"].get("subsets") or ()]


def _versions_of_subsets(resources: Resources, service: str) -> list[str]:
    labels_of_subsets = (subset.get("labels") or {} for subset in _subsets(resources, service))
    return [labels["version"] for labels in labels_of_subsets if "version" in labels]


def _fault_rates(deployment: Object) -> FaultRates:
    name = f"Deployment {deployment['metadata']['name']}"
    containers = deployment["spec"]["template"]["spec"]["containers"]
    variables = {entry["name"]: entry for container in containers for entry in container.get("env") or ()}
    return FaultRates(
        _number(variables, "FAULT_ERROR_PERCENT", 0.0, name),
        _number(variables, "FAULT_HANG_PERCENT", 0.0, name),
        _number(variables, "HANG_SECONDS", DEFAULT_HANG_SECONDS, name),
        str(variables.get("FAULT_SEED", {}).get("value", DEFAULT_SEED)),
    )


def _number(variables: Mapping[str, Object], variable: str, default: float, deployment: str) -> float:
    entry = variables.get(variable)
    if entry is None:
        return default
    try:
        return float(entry["value"])
    except (KeyError, ValueError):
        raise UnsupportedConfig(f"{deployment}: the value of {variable} is not a number") from None
