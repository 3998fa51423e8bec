"""Manifests from everywhere → resources, or every problem at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localmesh.manifests.checks import check
from localmesh.manifests.codes import reading
from localmesh.manifests.documents import Reading, read_text
from localmesh.manifests.files import read_files
from localmesh.manifests.kinds import is_ignored
from localmesh.manifests.kustomize import read_kustomizations
from localmesh.manifests.objects import object_problems, objects, resource
from localmesh.manifests.patches import Patches
from localmesh.manifests.positions import Lines, Source
from localmesh.manifests.problems import ManifestError, Place, Problem, by_place
from localmesh.manifests.references import reference_problems
from localmesh.manifests.resources import Loaded, Resource, without_nulls


def load(*, kustomizations: Sequence[Path] = (), files: Sequence[Path] = ()) -> Loaded:
    """The objects of kustomizations and files together; ManifestError with all that is wrong."""
    with _uncollected():
        return _loaded(Reading.of_all([read_kustomizations(kustomizations), read_files(files)]))


def load_text(text: str, file: str = "<stdin>") -> Loaded:
    """The objects of one YAML text; ManifestError with all that is wrong."""
    with _uncollected():
        return _loaded(read_text(text, file))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which takes a third of the time of a large load and finds nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _loaded(read: Reading) -> Loaded:
    problems = list(read.problems)
    patches, lines = Patches(), Lines()
    sources: dict[Place, Source] = {}
    resources: list[Resource] = []
    for document in read.documents:
        for candidate in objects(document):
            if found := list(object_problems(candidate)):
                problems.extend(lines.located(problem, candidate.source) for problem in found)
                continue
            item = resource(candidate, len(resources), patches)
            sources[item.place] = candidate.source
            resources.append(item)
            problems.extend(lines.located(problem, candidate.source) for problem in check(item))
    problems.extend(_duplicates(resources))
    if problems:
        raise ManifestError(problems)
    resources = [without_nulls(item) if sources[item.place].document.has_null else item for item in resources]
    warnings = (lines.located(problem, sources[problem.place]) for problem in reference_problems(resources))
    return Loaded(
        resources=tuple(item for item in resources if not is_ignored(item.kind)),
        ignored=tuple(item for item in resources if is_ignored(item.kind)),
        warnings=by_place(warnings),
    )


def _duplicates(resources: Sequence[Resource]) -> Iterator[Problem]:
    first: dict[tuple[str, str, str, str], Resource] = {}
    for item in resources:
        earlier = first.setdefault((item.group, item.kind, item.namespace, item.name), item)
        if earlier is not item and item.name:
            yield reading.DUPLICATE_OBJECT.at(item.place, first=earlier.place.position)
