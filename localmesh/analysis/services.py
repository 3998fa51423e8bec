"""Services: the pods behind them and the ports they lead to."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.world import Service, World
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import listed


def services(world: World) -> Iterator[Problem]:
    """All Services with a selector, if there are workloads at all."""
    if not world.all("Deployment"):
        return
    for service in world.services.values():
        if not service.selector:
            continue
        if world.pods_of(service):
            yield from _target_ports(world, service)
        else:
            yield from _without_pods(world, service)


def _without_pods(world: World, service: Service) -> Iterator[Problem]:
    wanted = service.selector
    similar = world.pods_with_any(service.resource.namespace, wanted)
    hint = ""
    if similar:
        shown = ", ".join(f"{key}={similar[0].labels.get(key, '(missing)')}" for key in wanted)
        hint = f"; {similar[0].resource.place.subject} has {shown}"
    yield service.resource.root.get("spec", "selector").problem(
        warnings.SELECTOR_WITHOUT_PODS,
        found=", ".join(f"{key}={value}" for key, value in wanted.items()),
        hint=hint,
    )


def _target_ports(world: World, service: Service) -> Iterator[Problem]:
    for port in service.resource.root.get("spec", "ports").items():
        target = port.get("targetPort")
        if not target.text:
            continue
        for pods in world.pods_of(service):
            if target.text not in pods.port_names:
                yield target.problem(
                    warnings.MISSING_TARGET_PORT,
                    workload=pods.resource.place.subject,
                    known=listed(pods.port_names),
                )
