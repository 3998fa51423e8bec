"""Warnings about clusters that do not exist, held against what is translated from the same mesh."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings

from localmesh.analysis import analyze
from localmesh.catalog import Catalog, Proxy, RouteDestination, VirtualService
from localmesh.manifests import load_text
from localmesh.problems import ManifestError, Problem
from localmesh.tests.analysis.meshes import meshes, text
from localmesh.translate import ProxyConfig, translate
from localmesh.translate.from_manifests import proxies

Json = dict[str, Any]
CODES = frozenset({"SM201", "SM202", "SM203", "SM215"})
SHADOWED = frozenset({"SM208"})
EXAMPLES = int(os.environ.get("LOCALMESH_FUZZ", "100"))


@dataclass(frozen=True)
class Use:
    """A cluster that a proxy's route of a VirtualService names."""

    virtual_service: VirtualService
    port: int
    subset: str
    host: str
    exists: bool

    def is_of(self, destination: RouteDestination) -> bool:
        """Whether a destination may have become this."""
        same = (destination.host, destination.subset) == (self.host, self.subset)
        return same and destination.port in (None, self.port)


@dataclass(frozen=True)
class Analysed:
    """A mesh, the configurations of its proxies, and the warnings about it."""

    catalog: Catalog
    uses: list[Use]
    warnings: tuple[Problem, ...]

    def warned(self, destination: RouteDestination) -> list[Problem]:
        """The warnings about a destination of a route."""
        return [
            problem
            for problem in self.warnings
            if problem.code in CODES
            and problem.place == destination.resource.place
            and destination.path.contains(problem.path)
        ]


def analyse(mesh: list[Json]) -> Analysed | None:
    """What becomes of a mesh; None if it is not valid."""
    try:
        return analyse_text(text(mesh))
    except ManifestError:
        return None


def analyse_text(manifests: str) -> Analysed:
    """What becomes of manifests. Raises ManifestError."""
    loaded = load_text(manifests)
    catalog, known = proxies(loaded.resources)
    uses = [use for proxy in known for use in _uses(catalog, proxy, translate(catalog, proxy))]
    return Analysed(catalog, uses, analyze(catalog))


def _uses(catalog: Catalog, proxy: Proxy, config: ProxyConfig) -> Iterator[Use]:
    """The clusters in routes of VirtualServices, for ports at which applications can send requests.

    istiod also makes routes of port 80 for Services that do not have that port.
    """
    names = {cluster["name"] for cluster in config.clusters}
    owners = {(vs.namespace, vs.name): vs for vs in catalog.virtual_services}
    for configuration in config.routes:
        for virtual_host in configuration["virtualHosts"]:
            if configuration["name"] == "80" and not _is_called(catalog, proxy, virtual_host["name"]):
                continue
            for route in virtual_host.get("routes", ()):
                for cluster in _clusters(route):
                    if not cluster.startswith("outbound|"):
                        continue
                    owner = route.get("metadata", {}).get("filterMetadata", {}).get("istio", {}).get("config")
                    assert owner or cluster in names, f"the default route to {cluster} leads nowhere"
                    if owner:
                        *_, namespace, _, name = owner.split("/")
                        _, port, subset, host = cluster.split("|")
                        yield Use(owners[namespace, name], int(port), subset, host, cluster in names)


def _is_called(catalog: Catalog, proxy: Proxy, name: str) -> bool:
    """Whether a virtual host of port 80 is of a host that may be called there."""
    host = name.rpartition(":")[0]
    called = catalog.sidecar_scope(proxy).called_by(host)
    ports = [service.port(80) for service in called]
    return not called or any(port and port.protocol.may_be_http for port in ports)


def _clusters(route: Json) -> Iterator[str]:
    action = route.get("route", {})
    if "cluster" in action:
        yield action["cluster"]
    yield from (entry["name"] for entry in action.get("weightedClusters", {}).get("clusters", ()))
    yield from (mirror["cluster"] for mirror in action.get("requestMirrorPolicies", ()))


def _destinations(virtual_service: VirtualService) -> list[RouteDestination]:
    return [destination for of_route in virtual_service.destinations for destination in of_route]


ROUTE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v2}}
    spec: {containers: [{name: web, image: stub}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{route: [{destination: {host: web, subset: v2}}]}]}
"""
RULE = """---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{host: "{host}", subsets: [{{name: {subset}, labels: {{app: web}}}}]{more}}}
"""
WEB = "web.shop.svc.cluster.local"
PRIVATE = RULE.format(name="web", namespace="other", host=WEB, subset="v2", more=', exportTo: ["."]')
WILDCARD = RULE.format(name="all", namespace="shop", host="*.shop.svc.cluster.local", subset="v2", more="")
EXACT = RULE.format(name="web", namespace="shop", host="web", subset="v1", more="")


@pytest.mark.parametrize(
    ("rules", "known"),
    [
        (PRIVATE, "DestinationRule other/web, which has it, is not used in namespace shop"),
        (
            WILDCARD + EXACT,
            "DestinationRule shop/web has v1 and DestinationRule shop/all, which has it, is not used",
        ),
    ],
    ids=["private in another namespace", "wildcard beside exact"],
)
def test_a_rule_that_has_the_subset_and_is_not_used_is_not_enough(rules: str, known: str) -> None:
    """The translation routes to a cluster that does not exist, and the warning says so."""
    analysed = analyse_text(ROUTE + rules)

    assert [(use.subset, use.exists) for use in analysed.uses] == [("v2", False)]
    (warning,) = analysed.warnings
    assert warning.code == "SM203"
    assert known in warning.message


def test_a_rule_that_is_used_is_enough() -> None:
    """The wildcard alone has the subset: the cluster exists, and there is no warning."""
    analysed = analyse_text(ROUTE + WILDCARD)

    assert [(use.subset, use.exists) for use in analysed.uses] == [("v2", True)]
    assert analysed.warnings == ()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(meshes)
def test_a_warning_tells_of_every_cluster_that_does_not_exist(mesh: list[Json]) -> None:
    """Whatever a translated route names and the proxy does not have."""
    analysed = analyse(mesh)
    if analysed is None:
        return
    missing = [use for use in analysed.uses if not use.exists]
    event(f"{'some' if missing else 'no'} clusters are missing")
    for use in missing:
        possible = [
            destination_of_use
            for destination_of_use in _destinations(use.virtual_service)
            if use.is_of(destination_of_use)
        ]
        assert any(map(analysed.warned, possible)), f"no warning tells of {use}"


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(meshes)
def test_no_warning_tells_of_clusters_that_exist(mesh: list[Json]) -> None:
    """A destination has no warning if every proxy that has a route to it also has its cluster.

    Not so for a VirtualService that another takes the place of in some proxies, which has a warning anyway.
    """
    analysed = analyse(mesh)
    if analysed is None:
        return
    shadowed = {problem.place for problem in analysed.warnings if problem.code in SHADOWED}
    for virtual_service in analysed.catalog.virtual_services:
        for destination in _destinations(virtual_service):
            uses = [use for use in _all_uses(analysed, destination) if use.is_of(destination)]
            is_plain = virtual_service.resource.place not in shadowed and _is_unique(destination, analysed)
            if is_plain and uses and all(use.exists for use in uses):
                event("all clusters exist")
                assert analysed.warned(destination) == []


def _is_unique(destination: RouteDestination, analysed: Analysed) -> bool:
    """Whether uses of a destination cannot be those of another one of the same VirtualService."""
    return all(
        sum((other.host, other.subset) == (destination.host, destination.subset) for other in others) == 1
        for virtual_service in analysed.catalog.virtual_services
        if destination in (others := _destinations(virtual_service))
    )


def _all_uses(analysed: Analysed, destination: RouteDestination) -> Iterator[Use]:
    """The uses of a destination by all VirtualServices that have it; those of a delegate can be several."""
    for use in analysed.uses:
        if any(
            (other.resource.place, other.path) == (destination.resource.place, destination.path)
            for other in _destinations(use.virtual_service)
        ):
            yield use
