"""DestinationRules: their hosts and the pods of their subsets (istio: analyzers/destinationrule)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.hints import host_hint
from localmesh.analysis.world import Service, World
from localmesh.formats.hostnames import full_host
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed


def rules(world: World) -> Iterator[Problem]:
    """All DestinationRules."""
    has_workloads = bool(world.all("Deployment"))
    for resource in world.all("DestinationRule"):
        yield from _local_meanings(resource.root.get("spec"))
        host = resource.root.get("spec", "host")
        name = full_host(host.text or "", resource.namespace)
        services = list(world.services_at(name))
        if not services and not world.is_outside(name):
            hint, remedy = host_hint(world, name)
            yield host.problem(warnings.RULE_WITHOUT_HOST, name=name, hint=hint, remedy=remedy)
        # Manifests without any workload are a part of something larger, where the pods are elsewhere.
        elif has_workloads and len(services) == 1:
            for subset in resource.root.get("spec", "subsets").items():
                yield from _subset(world, subset, services[0])


def _local_meanings(spec: Field) -> Iterator[Problem]:
    """A way of balancing load that only a cluster's network knows."""
    policies = [
        spec.get("trafficPolicy"),
        *(each.get("trafficPolicy") for each in spec.get("subsets").items()),
    ]
    for policy in policies:
        for settings in (policy, *policy.get("portLevelSettings").items()):
            simple = settings.get("loadBalancer", "simple")
            if simple.text == "PASSTHROUGH":
                reason = "a Service has no address of its own, so the proxy chooses a pod for each request"
                remedy = "leave it away, or run on a cluster"
                yield simple.problem(warnings.DIFFERENT_HERE, reason=reason, remedy=remedy)


def _subset(world: World, subset: Field, service: Service) -> Iterator[Problem]:
    wanted = {key: label.value for key, label in subset.get("labels").entries()}
    pods = world.pods_of(service) if service.selector else []
    if not pods or any(wanted.items() <= each.labels.items() for each in pods):
        return  # a Service without any pods is told of once, by itself
    known = [
        ", ".join(f"{key}={each.labels[key]}" for key in wanted if key in each.labels) or "none of these keys"
        for each in pods
    ]
    yield subset.problem(
        warnings.SUBSET_WITHOUT_PODS,
        service=service.subject,
        found=", ".join(f"{key}={value}" for key, value in wanted.items()),
        known=listed(dict.fromkeys(known)),
    )
