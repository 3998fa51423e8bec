"""Validation of manifests: reads, validates and analyses them, and starts nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from localmesh.analysis import analyze_manifests
from localmesh.kustomize_build import KustomizeBuild
from localmesh.manifests import load
from localmesh.manifests.files import NAME_OF_STANDARD_INPUT, STANDARD_INPUT, folder_files, manifest_files
from localmesh.manifests.objects import DEFAULT_NAMESPACE
from localmesh.problems import ManifestError, Problem, Severity

_FILES_PER_TASK = 16
"""Enough to make the exchange between processes cheap, few enough to keep all of them busy."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """The problems of one file, or of several that were validated together."""

    file: str
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """How many of the problems are errors."""
        return sum(problem.severity is Severity.ERROR for problem in self.problems)

    @property
    def warnings(self) -> int:
        """How many of the problems are warnings."""
        return len(self.problems) - self.errors


def validate_together(
    kustomizations: Sequence[Path | KustomizeBuild] = (),
    files: Sequence[Path] = (),
    *,
    namespace: str = DEFAULT_NAMESPACE,
    strict: bool = False,
) -> list[FileReport]:
    """The problems of one mesh made of all these manifests, grouped by the file that each problem names.

    `namespace` is that of objects that name none. With `strict` warnings are errors. A named file has a
    report even if it has no problems, and so has every file of a folder; a kustomization only if there are
    none at all, because problems name the files in it.
    """
    problems = _problems(kustomizations, files, namespace, strict=strict)
    named = [str(file) for path in files for file in (folder_files(path) if path.is_dir() else [path])]
    names = dict.fromkeys(NAME_OF_STANDARD_INPUT if name == STANDARD_INPUT else name for name in named)
    names |= dict.fromkeys(problem.place.file for problem in problems)
    if not problems:
        names |= dict.fromkeys(map(str, kustomizations))
    return [
        FileReport(name, tuple(problem for problem in problems if problem.place.file == name))
        for name in names
    ]


def validate_each(
    paths: Iterable[Path], *, namespace: str = DEFAULT_NAMESPACE, strict: bool = False
) -> Iterator[FileReport]:
    """The report of each file, validated as a separate mesh; folders are searched with their subfolders.

    The files are divided among as many processes as there are processors.
    """
    tasks = [(file, namespace, strict) for path in paths for file in manifest_files(path)]
    if len(tasks) <= _FILES_PER_TASK:
        yield from map(_report, tasks)
        return
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(_report, tasks, chunksize=_FILES_PER_TASK)


def _report(task: tuple[Path, str, bool]) -> FileReport:
    file, namespace, strict = task
    return FileReport(str(file), _problems((), (file,), namespace, strict=strict))


def _problems(
    kustomizations: Sequence[Path | KustomizeBuild], files: Sequence[Path], namespace: str, *, strict: bool
) -> tuple[Problem, ...]:
    try:
        loaded = load(kustomizations=kustomizations, files=files, namespace=namespace)
        warnings = analyze_manifests(loaded)
    except ManifestError as error:
        return error.problems
    return tuple(warning.as_error() for warning in warnings) if strict else warnings
