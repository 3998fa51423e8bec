"""What does not fit together across objects: accepted by Istio, and it cannot work.

Each check is a function over all objects of a load, as in `istioctl analyze`; what it yields are warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from localmesh.analysis.deprecations import deprecations
from localmesh.analysis.destination_rules import rules
from localmesh.analysis.destinations import destinations
from localmesh.analysis.gateways import gateways
from localmesh.analysis.hosts import conflicts, delegates
from localmesh.analysis.injection import injection
from localmesh.analysis.pods import pods
from localmesh.analysis.policies import local_meanings, policies
from localmesh.analysis.routes import routes
from localmesh.analysis.services import services
from localmesh.analysis.unreachable_routes import unreachable
from localmesh.analysis.world import World
from localmesh.manifests.resources import Resource
from localmesh.problems import Problem

CHECKS: tuple[Callable[[World], Iterator[Problem]], ...] = (
    conflicts,
    delegates,
    deprecations,
    destinations,
    gateways,
    injection,
    local_meanings,
    pods,
    policies,
    routes,
    rules,
    services,
    unreachable,
)


def reference_problems(resources: Iterable[Resource]) -> Iterator[Problem]:
    """What is accepted and cannot work, in objects that are valid each by itself."""
    world = World(resources)
    for check in CHECKS:
        yield from check(world)


__all__ = ["CHECKS", "reference_problems"]
