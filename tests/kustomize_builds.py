"""The application with its components: every kustomization can be built with every component."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from localmesh.kustomize_build import kustomize_program
from tests.live import ROOT

Object = Mapping[str, Any]

BASES = (
    ROOT / "k8s" / "base",
    ROOT / "istio" / "base",
    *sorted(path.parent for path in (ROOT / "istio" / "overlays").glob("*/kustomization.yaml")),
)
COMPONENTS = sorted(path.parent for path in (ROOT / "k8s" / "components").glob("*/kustomization.yaml"))

FOR_CONTROLLERS = {"argo-rollouts", "flagger"}
"""Overlays that only a controller on a cluster can act on; tests/test_controllers.py checks them."""

EXCLUDING = {"no-mesh", "feedback-volume"}
"""Components that exclude others: `no-mesh` those for the mesh, `feedback-volume` the other store."""
TOGETHER = [folder for folder in COMPONENTS if folder.name not in EXCLUDING]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def combine(folder: Path, base: Path, *components: Path) -> Path:
    """Write a kustomization of `base` with these components to `folder`; return `folder`."""
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(base, folder.resolve())],
        "components": [os.path.relpath(component, folder.resolve()) for component in components],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    return folder


def build(folder: Path, base: Path, *components: Path) -> list[Object]:
    """The objects of a combination, as kustomize builds them for a user."""
    kustomization = combine(folder, base, *components)
    program = kustomize_program()
    assert program is not None
    verb = "kustomize" if "kubectl" in Path(program).name else "build"
    environment = {**os.environ, "GOGC": "off"}  # which takes less time
    built = subprocess.run([program, verb, kustomization], env=environment, capture_output=True, check=True)
    return [document for document in yaml.load_all(built.stdout, Loader=_LOADER) if document]


def pods(objects: Iterable[Object]) -> Iterator[tuple[str, Object]]:
    """The name and the pod template of every object that has one."""
    for item in objects:
        if "template" in item.get("spec", {}):
            yield f"{item['kind']} {item['metadata']['name']}", item["spec"]["template"]


def kinds(objects: Iterable[Object]) -> set[str]:
    """The kinds of the objects."""
    return {item["kind"] for item in objects}
