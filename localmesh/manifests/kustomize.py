"""Running kustomize so that every object says which file it came from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localmesh.manifests import codes
from localmesh.manifests.problems import ManifestError, Place

CHOSEN = "SENTIMESH_KUSTOMIZE"
"""The environment variable that names the kustomize or kubectl to use."""


@dataclass(frozen=True, slots=True)
class Built:
    """What kustomize wrote, and the folder that the origins in its annotations are relative to."""

    text: str
    folder: Path


def build_kustomization(directory: Path) -> Built:
    """The objects of a kustomization as YAML, each annotated with its origin.

    Raises ManifestError when there is no kustomize, or with kustomize's own sentence when it refuses.
    """
    command = _command(directory)
    with tempfile.TemporaryDirectory(prefix="localmesh-kustomize-") as created:
        wrapper = Path(created).resolve()
        reference = os.path.relpath(directory.resolve(), wrapper)
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "buildMetadata": ["originAnnotations", "transformerAnnotations"],
            "resources": [reference],
        }
        (wrapper / "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
        finished = subprocess.run([*command, str(wrapper)], capture_output=True, text=True, check=False)
    if finished.returncode:
        place = Place(str(directory))
        reason = finished.stderr.strip().removeprefix("error: ")
        raise ManifestError(
            [codes.KUSTOMIZE_FAILED.at(place, reason=reason, remedy="correct the kustomization")]
        )
    return Built(finished.stdout, wrapper)


def _command(directory: Path) -> list[str]:
    chosen = os.environ.get(CHOSEN)
    found = chosen or shutil.which("kustomize") or shutil.which("kubectl")
    if found is None:
        raise ManifestError([codes.KUSTOMIZE_MISSING.at(Place(str(directory)))])
    return [found, "kustomize" if "kubectl" in Path(found).name else "build"]
