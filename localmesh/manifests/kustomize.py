"""Runs kustomize so that every object carries the file that it came from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localmesh.manifests.documents import Reading, read_text
from localmesh.manifests.kustomize_errors import malformed_files, summarize
from localmesh.problems import ManifestError, Place, Problem
from localmesh.problems.codes import syntax

CHOSEN = "SENTIMESH_KUSTOMIZE"
"""The environment variable that names the kustomize or kubectl to use."""


@dataclass(frozen=True, slots=True)
class Built:
    """The output of kustomize, and the folder that the origins in its annotations are relative to."""

    text: str
    folder: Path


def read_kustomizations(directories: Sequence[Path]) -> Reading:
    """Builds several kustomizations; those that cannot be built become problems."""
    return Reading.of_all(map(_read, directories))


def _read(directory: Path) -> Reading:
    try:
        built = build_kustomization(directory)
    except ManifestError as error:
        return Reading(problems=error.problems)
    return read_text(built.text, str(directory), built.folder)


def build_kustomization(directory: Path) -> Built:
    """The objects of a kustomization as YAML, each annotated with its origin.

    Raises ManifestError if kustomize is not installed, or with the message of kustomize if it fails.
    """
    command = _command(directory)
    if not directory.is_dir():
        reason = "not a folder" if directory.exists() else "no such folder"
        raise ManifestError([_failed(directory, reason, "name a folder with a kustomization.yaml")])
    with tempfile.TemporaryDirectory(prefix="localmesh-kustomize-") as created:
        # The wrapper asks for origins, so that users need not change their kustomizations. kustomize
        # accepts only relative references, and writes origins relative to the wrapper.
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
        # kustomize stops at the first file that is not YAML, and does not always report the line
        malformed = malformed_files(directory).problems
        raise ManifestError(malformed or [_failed(directory, *summarize(finished.stderr))])
    return Built(finished.stdout, wrapper)


def _command(directory: Path) -> list[str]:
    chosen = os.environ.get(CHOSEN)
    # After the PATH: `make` installs a kubectl here on machines that have none.
    places = os.pathsep.join((os.environ.get("PATH", ""), str(Path(sys.executable).parent)))
    names = (chosen,) if chosen else ("kustomize", "kubectl")
    program = next((path for name in names if (path := shutil.which(name, path=places))), None)
    if program is None:
        missing = (
            f"{CHOSEN} names {chosen}, which is not a program"
            if chosen
            else "neither kustomize nor kubectl is on the PATH"
        )
        raise ManifestError([syntax.KUSTOMIZE_MISSING.at(Place(str(directory)), found=missing)])
    return [program, "kustomize" if "kubectl" in Path(program).name else "build"]


def _failed(directory: Path, reason: str, remedy: str) -> Problem:
    return syntax.KUSTOMIZE_FAILED.at(Place(str(directory)), reason=reason, remedy=remedy)
