"""Objects that pods need: their ServiceAccount and their claims (ConfigMaps are looked up at start)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.world import World
from localmesh.problems import Problem
from localmesh.problems.codes import warnings


def pods(world: World) -> Iterator[Problem]:
    """All pods of Deployments."""
    for resource in world.all("Deployment"):
        spec = resource.root.get("spec", "template", "spec")
        account = spec.get("serviceAccountName")
        needed = [("ServiceAccount", account)] if account.text not in {None, "", "default"} else []
        for volume in spec.get("volumes").items():
            claim = volume.get("persistentVolumeClaim", "claimName")
            if claim.text:
                needed.append(("PersistentVolumeClaim", claim))
        for kind, name in needed:
            if (kind, resource.namespace, name.text) not in world.named:
                yield name.problem(warnings.MISSING_OBJECT, kind=kind, hint="")
