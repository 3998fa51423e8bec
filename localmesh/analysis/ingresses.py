"""Ingresses that Istio does not serve."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.catalog import Catalog
from localmesh.catalog.ingresses import reason_to_ignore
from localmesh.kinds.ingress import INGRESS
from localmesh.problems import Problem
from localmesh.problems.codes import warnings


def ingresses(catalog: Catalog) -> Iterator[Problem]:
    """Ingresses of other classes, with the reason."""
    for ingress in catalog.objects.of(INGRESS):
        reason = reason_to_ignore(ingress, catalog.objects, catalog.mesh_config)
        if reason:
            yield ingress.root.get("metadata").problem(warnings.INGRESS_OF_OTHERS, reason=reason)
