"""Reads what kustomize builds, so that every object carries the file that it came from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from localmesh.kustomize_build import CHOSEN, Built, KustomizeBuild
from localmesh.manifests.documents import Reading, read_text
from localmesh.manifests.kustomize_errors import malformed_files, summarize
from localmesh.problems import ManifestError, Place, Problem
from localmesh.problems.codes import syntax


def read_kustomizations(kustomizations: Sequence[Path | KustomizeBuild]) -> Reading:
    """Builds several kustomizations, at the same time; those that cannot be built become problems."""
    builds = [one if isinstance(one, KustomizeBuild) else KustomizeBuild(one) for one in kustomizations]
    return Reading.of_all(map(_read, builds))


def _read(build: KustomizeBuild) -> Reading:
    try:
        built = _result(build)
    except ManifestError as error:
        return Reading(problems=error.problems)
    return read_text(built.text, str(build), built.folder)


def build_kustomization(directory: Path) -> Built:
    """The objects of a kustomization as YAML, each annotated with its origin.

    Raises ManifestError if kustomize is not installed, or with the message of kustomize if it fails.
    """
    return _result(KustomizeBuild(directory))


def _result(build: KustomizeBuild) -> Built:
    directory = build.directory
    if build.program is None:
        raise ManifestError([_missing(directory)])
    if not directory.is_dir():
        reason = "not a folder" if directory.exists() else "no such folder"
        raise ManifestError([_failed(directory, reason, "name a folder with a kustomization.yaml")])
    built = build.result()
    if not built.succeeded:
        # kustomize stops at the first file that is not YAML, and does not always report the line
        malformed = malformed_files(directory).problems
        raise ManifestError(malformed or [_failed(directory, *summarize(built.errors))])
    return built


def _missing(directory: Path) -> Problem:
    chosen = os.environ.get(CHOSEN)
    missing = (
        f"{CHOSEN} names {chosen}, which is not a program"
        if chosen
        else "neither kustomize nor kubectl is on the PATH"
    )
    return syntax.KUSTOMIZE_MISSING.at(Place(str(directory)), found=missing)


def _failed(directory: Path, reason: str, remedy: str) -> Problem:
    return syntax.KUSTOMIZE_FAILED.at(Place(str(directory)), reason=reason, remedy=remedy)
