"""How a service's traffic is split by weights, and how often each version is made to fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from loadgen.meshstate.api import Object, Resources
from loadgen.meshstate.errors import NotConfigured, UnsupportedConfig
from loadgen.meshstate.interference import interference
from loadgen.meshstate.routes import CallPath, Route, mesh_route, qualified

DEFAULT_HANG_SECONDS = 3.0
"""What the services take where HANG_SECONDS is not given."""
DEFAULT_SEED = "sentimesh"
"""What the services take where FAULT_SEED is not given."""


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How a version is made to fail, as its Deployment's environment says; percentages of its requests."""

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
    """The versions of one service: the share each is given (in 0..1, 0 if nothing is sent to it), its odds.

    `interference` lists what else is in force that changes which requests fail, one phrase each.
    """

    service: str
    where: str
    shares: Mapping[str, float]
    odds: Mapping[str, FaultRates]
    interference: tuple[str, ...] = ()


def read_split(resources: Resources, journey: CallPath, *, remedy: str) -> Split:
    """The split in force for the service at the end of the journey.

    Raises NotInForce, ending in `remedy`, if weights do not split it; NotUnderstood if they do in a way
    whose effect is not computed here.
    """
    service = journey.service
    route = inner_route(resources, journey)
    if route is None:
        raise NotConfigured(
            f"no VirtualService of namespace {resources.namespace} routes calls to {service}; {remedy}"
        )
    if len(route.destinations) < 2:
        raise NotConfigured(f"{route.where} does not split {service} by weights, it {_does(route)}; {remedy}")
    shares = shares_of(resources, route)
    for version in _versions_of_subsets(resources, service):
        shares.setdefault(version, 0.0)
    odds = {version: fault_rates_of(resources, service, version) for version in sorted(shares)}
    shares = dict(sorted(shares.items()))
    return Split(service, route.where, shares, odds, interference(resources, route, journey))


def inner_route(resources: Resources, journey: CallPath) -> Route | None:
    """The route that takes the journey's call inside the mesh, if a VirtualService has one."""
    call = replace(journey.in_mesh, source_labels=labels_of(resources, journey.entry))
    return mesh_route(resources, journey.service, call)


def fault_rates_of(resources: Resources, service: str, version: str) -> FaultRates:
    """How a version is made to fail: what the environment of its Deployments says; several must agree."""
    found = {_odds_of(item) for item in _selected(resources, {"app": service, "version": version})}
    if len(found) > 1:
        raise UnsupportedConfig(
            f"the Deployments of {service} {version} do not agree on FAULT_* in their environment"
        )
    return found.pop() if found else FaultRates()


def _does(route: Route) -> str:
    if not route.destinations:
        return (
            f"says {', '.join(sorted(set(route.spec) - {'match', 'name'})) or 'nothing'} instead of a route"
        )
    return f"sends everything to {_named(route.destinations[0]['destination'])}"


def _named(destination: Object) -> str:
    subset = destination.get("subset")
    return f"{destination['host']} subset {subset}" if subset else str(destination["host"])


def shares_of(resources: Resources, route: Route) -> dict[str, float]:
    """Each version's part of the sum of the weights, which need not be 100; a single one gets all."""
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
    service = next(
        (item for item in resources.services if item["metadata"]["name"] == _short(destination)), None
    )
    if service is None:
        raise NotConfigured(f"{route.where} sends to {named}, but there is no such Service")
    labels = _subset_labels(resources, destination, route)
    wanted = {**service["spec"].get("selector", {}), **labels}
    versions = {_template_labels(item).get("version", "") for item in _selected(resources, wanted)}
    if not versions:
        raise NotConfigured(
            f"{route.where} sends to {named}, but no Deployment has the labels {_labels(wanted)}"
        )
    if len(versions) > 1 or "" in versions:
        raise UnsupportedConfig(
            f"{route.where} sends to {named}, which is not one version but "
            f"{', '.join(sorted(version or 'one without a version label' for version in versions))}: "
            "the share of each is not decided by weights"
        )
    return versions.pop()


def _short(destination: Object) -> str:
    return str(destination["host"]).partition(".")[0]


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
    """The subsets of a host; those of several DestinationRules for it count together."""
    name = qualified(host, resources.namespace)
    return [
        subset
        for rule in resources.destination_rules
        if qualified(rule["spec"]["host"], resources.namespace) == name
        for subset in rule["spec"].get("subsets") or ()
    ]


def _versions_of_subsets(resources: Resources, service: str) -> list[str]:
    labels = (subset.get("labels") or {} for subset in _subsets(resources, service))
    return [labels_of_one["version"] for labels_of_one in labels if "version" in labels_of_one]


def _selected(resources: Resources, wanted: Mapping[str, str]) -> list[Object]:
    return [item for item in resources.deployments if wanted.items() <= _template_labels(item).items()]


def _template_labels(deployment: Object) -> Mapping[str, str]:
    return deployment["spec"]["template"]["metadata"].get("labels") or {}


def labels_of(resources: Resources, service: str) -> Mapping[str, str]:
    """The labels of a service's pods: what `sourceLabels` compares when it calls another."""
    deployments = _selected(resources, {"app": service})
    return _template_labels(deployments[0]) if deployments else {"app": service}


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _odds_of(deployment: Object) -> FaultRates:
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
        raise UnsupportedConfig(
            f"{deployment}: {variable} is not a number written in its environment"
        ) from None
