"""What does not fit together across objects: accepted by Istio, and it cannot work.

Each check is a function over all objects of a load, as in `istioctl analyze`; what it yields are warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from localmesh.manifests.problems import Problem
from localmesh.manifests.references.deprecations import deprecations
from localmesh.manifests.references.destinations import destinations
from localmesh.manifests.references.gateways import gateways
from localmesh.manifests.references.hosts import conflicts, delegates
from localmesh.manifests.references.injection import injection
from localmesh.manifests.references.pods import pods
from localmesh.manifests.references.policies import local_meanings, policies
from localmesh.manifests.references.reach import unreachable
from localmesh.manifests.references.routes import routes
from localmesh.manifests.references.rules import rules
from localmesh.manifests.references.services import services
from localmesh.manifests.references.world import World
from localmesh.manifests.resources import Resource

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
