"""Manifests: kustomize → YAML → Resource, checked strictly, with problems that say how to mend them."""

from localmesh.manifests.kustomize import build_kustomization
from localmesh.manifests.loading import load, load_text
from localmesh.manifests.paths import FieldPath
from localmesh.manifests.problems import ManifestError, Place, Problem, Severity
from localmesh.manifests.resources import Loaded, Resource

__all__ = [
    "FieldPath",
    "Loaded",
    "ManifestError",
    "Place",
    "Problem",
    "Resource",
    "Severity",
    "build_kustomization",
    "load",
    "load_text",
]
