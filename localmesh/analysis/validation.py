"""Validation of manifests: reads, validates and analyses them, and starts nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from localmesh.analysis import analyze_manifests
from localmesh.kustomize_build import KustomizeBuild
from localmesh.manifests import Text, load
from localmesh.manifests.files import NAME_OF_STANDARD_INPUT, STANDARD_INPUT, folder_files, manifest_files
from localmesh.manifests.objects import DEFAULT_NAMESPACE
from localmesh.problems import ManifestError, Problem, Severity

_FILES_PER_TASK = 16
"""Enough to make the exchange between processes cheap, few enough to keep all of them busy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How manifests are validated.

    `namespace` is that of objects that name none, `mesh_config` a file with mesh-wide settings. With `strict`
    warnings are errors.
    """

    namespace: str = DEFAULT_NAMESPACE
    mesh_config: Text | None = None
    strict: bool = False


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
    settings: Settings = Settings(),
) -> list[FileReport]:
    """The problems of one mesh made of all these manifests, grouped by the file that each problem names.

    A named file has a
    report even if it has no problems, and so has every file of a folder; a kustomization only if there are
    none at all, because problems name the files in it.
    """
    problems = _problems(kustomizations, files, settings)
    named = [str(file) for path in files for file in (folder_files(path) if path.is_dir() else [path])]
    names = dict.fromkeys(NAME_OF_STANDARD_INPUT if name == STANDARD_INPUT else name for name in named)
    if settings.mesh_config is not None:
        names[settings.mesh_config.file] = None
    names |= dict.fromkeys(problem.place.file for problem in problems)
    if not problems:
        names |= dict.fromkeys(map(str, kustomizations))
    return [
        FileReport(name, tuple(problem for problem in problems if problem.place.file == name))
        for name in names
    ]


def validate_each(paths: Iterable[Path], settings: Settings = Settings()) -> Iterator[FileReport]:
    """The report of each file, validated as a separate mesh; folders are searched with their subfolders.

    The files are divided among as many processes as there are processors.
    """
    tasks = [(file, settings) for path in paths for file in manifest_files(path)]
    if len(tasks) <= _FILES_PER_TASK:
        yield from map(_report, tasks)
        return
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(_report, tasks, chunksize=_FILES_PER_TASK)


def _report(task: tuple[Path, Settings]) -> FileReport:
    file, settings = task
    return FileReport(str(file), _problems((), (file,), settings))


def _problems(
    kustomizations: Sequence[Path | KustomizeBuild], files: Sequence[Path], settings: Settings
) -> tuple[Problem, ...]:
    try:
        loaded = load(
            kustomizations=kustomizations,
            files=files,
            namespace=settings.namespace,
            mesh_config=settings.mesh_config,
        )
        warnings = analyze_manifests(loaded)
    except ManifestError as error:
        return error.problems
    return tuple(warning.as_error() for warning in warnings) if settings.strict else warnings
