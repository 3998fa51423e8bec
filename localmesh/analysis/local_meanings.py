"""Settings that mean something else on one machine than on a cluster's network."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.object_checks import once_per_object
from localmesh.catalog import Catalog
from localmesh.catalog.hosts import service_host
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.service import SERVICE
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field

_ADDRESSES = ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")
_ADDRESS_KEYS = frozenset({"source.ip", "remote.ip", "destination.ip"})


def local_meanings(catalog: Catalog) -> Iterator[Problem]:
    """Policies that audit or name addresses, balancing by the network, aliases of DNS."""
    for resource in catalog.objects.of(AUTHORIZATION_POLICY):
        yield from _authorization_policy(resource)
    for resource in catalog.objects.of(DESTINATION_RULE):
        yield from _destination_rule(resource)
    for resource in catalog.objects.of(SERVICE):
        host = service_host(resource.name, resource.namespace)
        if resource.spec.get("type") == "ExternalName" and catalog.service(host) is None:
            yield from _external_name(resource)


@once_per_object
def _authorization_policy(resource: Resource) -> Iterator[Problem]:
    spec = resource.root.get("spec")
    if spec.get("action").text == "AUDIT":
        reason, remedy = "nothing records what a policy audits", "remove the policy"
        yield spec.get("action").problem(warnings.DIFFERENT_HERE, reason=reason, remedy=remedy)
    for field in _addresses(spec):
        reason = "every process of the mesh has the address 127.0.0.1"
        remedy = "name the callers by principals or namespaces"
        yield field.problem(warnings.DIFFERENT_HERE, reason=reason, remedy=remedy)


def _addresses(spec: Field) -> Iterator[Field]:
    for rule in spec.get("rules").items():
        for origin in rule.get("from").items():
            blocks = (origin.get("source", name) for name in _ADDRESSES)
            yield from (block for block in blocks if len(block))
        keys = (condition.get("key") for condition in rule.get("when").items())
        yield from (key for key in keys if key.text in _ADDRESS_KEYS)


@once_per_object
def _destination_rule(resource: Resource) -> Iterator[Problem]:
    spec = resource.root.get("spec")
    policies = [
        spec.get("trafficPolicy"),
        *(subset.get("trafficPolicy") for subset in spec.get("subsets").items()),
    ]
    for policy in policies:
        for settings in (policy, *policy.get("portLevelSettings").items()):
            simple = settings.get("loadBalancer", "simple")
            if simple.text == "PASSTHROUGH":
                reason = "a Service has no address of its own, so the proxy chooses a pod for each request"
                remedy = "remove it, or run on a cluster"
                yield simple.problem(warnings.DIFFERENT_HERE, reason=reason, remedy=remedy)


@once_per_object
def _external_name(resource: Resource) -> Iterator[Problem]:
    """The name of a host outside, for which a cluster's DNS has an alias."""
    target = resource.root.get("spec", "externalName")
    reason = "no DNS here knows this name of a host outside the mesh, so calls by it fail"
    yield target.problem(
        warnings.DIFFERENT_HERE, reason=reason, remedy="add a ServiceEntry for the host outside"
    )
