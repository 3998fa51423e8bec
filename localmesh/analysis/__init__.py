"""Analysis: finds what Istio accepts and what cannot work, in the catalog that is also translated.

As in `istioctl analyze`, every check is a function over the whole mesh that yields problems. A check asks the
catalog what Istio makes of an object, so a warning never disagrees with the translation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from localmesh.analysis.credentials import credentials
from localmesh.analysis.deprecations import deprecations
from localmesh.analysis.destination_rules import destination_rules
from localmesh.analysis.destinations import destinations
from localmesh.analysis.endpoint_slices import endpoint_slices
from localmesh.analysis.extensions import extensions
from localmesh.analysis.gateway_api import gateway_api
from localmesh.analysis.gateway_selectors import gateway_selectors
from localmesh.analysis.gateways import gateways
from localmesh.analysis.ingresses import ingresses
from localmesh.analysis.local_meanings import local_meanings
from localmesh.analysis.mesh_config import mesh_config
from localmesh.analysis.never_matching import never_matching
from localmesh.analysis.policies import authorizers, policies, policy_ports, port_levels
from localmesh.analysis.principals import principals
from localmesh.analysis.route_settings import route_settings
from localmesh.analysis.server_routes import server_routes
from localmesh.analysis.services import services
from localmesh.analysis.tcp_ports import tcp_ports
from localmesh.analysis.telemetry import telemetry
from localmesh.analysis.undeclared_ports import undeclared_ports
from localmesh.analysis.unreachable_routes import unreachable_routes
from localmesh.analysis.virtual_services import (
    conflicting_hosts,
    contradicting_delegates,
    missing_delegates,
)
from localmesh.analysis.workloads import injection, required_objects
from localmesh.catalog import Catalog, build
from localmesh.manifests import LoadResult, located, uncollected
from localmesh.problems import ManifestError, Problem

CHECKS: tuple[Callable[[Catalog], Iterator[Problem]], ...] = (
    authorizers,
    conflicting_hosts,
    contradicting_delegates,
    credentials,
    deprecations,
    destination_rules,
    destinations,
    endpoint_slices,
    extensions,
    gateway_api,
    gateway_selectors,
    gateways,
    ingresses,
    injection,
    local_meanings,
    mesh_config,
    missing_delegates,
    never_matching,
    policies,
    policy_ports,
    port_levels,
    principals,
    required_objects,
    route_settings,
    server_routes,
    services,
    tcp_ports,
    telemetry,
    undeclared_ports,
    unreachable_routes,
)


@lru_cache(maxsize=2)  # a change compares the warnings about the mesh before and after it
def analyze(catalog: Catalog) -> tuple[Problem, ...]:
    """All warnings about a mesh, in the order of the checks."""
    return tuple(problem for check in CHECKS for problem in check(catalog))


def analyze_manifests(loaded: LoadResult) -> tuple[Problem, ...]:
    """The warnings about a mesh of these manifests alone, in the order of their places."""
    with uncollected():
        return located((*loaded.warnings, *analyze(build(loaded.resources))), loaded.sources)


def refuse(warnings: Iterable[Problem]) -> None:
    """Raises ManifestError with the warnings as errors if there are any, as `--strict` asks."""
    errors = [warning.as_error() for warning in warnings]
    if errors:
        raise ManifestError(errors)


__all__ = ["CHECKS", "analyze", "analyze_manifests", "refuse"]
