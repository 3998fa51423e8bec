"""Loads manifests: valid single objects, or every problem at once."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from localmesh.kinds import FOREIGN_GROUPS, Status, belongs_to_other_project, kind_of
from localmesh.kustomize_build import KustomizeBuild
from localmesh.manifests.documents import Reading, read_text
from localmesh.manifests.files import (
    NAME_OF_STANDARD_INPUT,
    STANDARD_INPUT,
    Text,
    read_files,
    without_objects,
)
from localmesh.manifests.kustomize import read_kustomizations
from localmesh.manifests.mesh_config import read_mesh_config
from localmesh.manifests.objects import DEFAULT_NAMESPACE, object_problems, objects, resource
from localmesh.manifests.patches import Patches
from localmesh.manifests.positions import Positions, Source
from localmesh.manifests.resources import LoadResult, Resource, without_nulls
from localmesh.manifests.validate import problems_of
from localmesh.problems import FieldPath
from localmesh.problems.codes import syntax, warnings
from localmesh.problems.problem import ManifestError, Place, Problem, Severity, by_place


def load(
    *,
    kustomizations: Sequence[Path | KustomizeBuild] = (),
    files: Sequence[Path] = (),
    namespace: str = DEFAULT_NAMESPACE,
    mesh_config: Text | None = None,
) -> LoadResult:
    """The objects of kustomizations and files; `namespace` is that of objects that name none.

    `mesh_config` is a file with mesh-wide settings, which take the place of those in the objects. Of objects
    with one name in several files the last one is taken, with a warning. Raises ManifestError with every
    problem.
    """
    with uncollected():
        read = Reading.of_all([read_kustomizations(kustomizations), read_files(files)])
        names = [str(path) for path in (*kustomizations, *files)]
        return _with_objects(_loaded(read, namespace, mesh_config), names)


def identities(
    *, kustomizations: Sequence[Path] = (), files: Sequence[Path] = (), namespace: str = DEFAULT_NAMESPACE
) -> list[Resource]:
    """The objects without their content being checked; `namespace` is that of objects that name none.

    Raises ManifestError for what cannot be read or is not an object.
    """
    read = Reading.of_all([read_kustomizations(kustomizations), read_files(files)])
    problems, resources = list(read.problems), list[Resource]()
    for candidate in (candidate for document in read.documents for candidate in objects(document)):
        wrong = list(object_problems(candidate))
        problems += wrong
        if not wrong:
            resources.append(resource(candidate, len(resources), Patches(), namespace))
    if not (problems or resources):
        problems.append(without_objects([str(path) for path in (*kustomizations, *files)]))
    if problems:
        raise ManifestError(problems)
    return resources


def load_texts(
    files: Sequence[Text], namespace: str = DEFAULT_NAMESPACE, mesh_config: Text | None = None
) -> LoadResult:
    """The objects of files that were read elsewhere, as `load`. Raises ManifestError with every problem."""
    with uncollected():
        read = Reading.of_all(read_text(file.text, file.file) for file in files)
        return _with_objects(_loaded(read, namespace, mesh_config), [file.file for file in files])


def load_text(
    text: str,
    file: str = "<stdin>",
    namespace: str = DEFAULT_NAMESPACE,
    mesh_config: Text | None = None,
) -> LoadResult:
    """The objects of one YAML text, which may have none. Raises ManifestError with every problem."""
    with uncollected():
        return _loaded(read_text(text, file), namespace, mesh_config)


def located(problems: Iterable[Problem], sources: Mapping[Place, Source]) -> tuple[Problem, ...]:
    """The problems in the order of their places, with the line of the field where the object was read."""
    positions = Positions()
    return by_place(
        positions.located(problem, sources[problem.place]) if problem.place in sources else problem
        for problem in problems
    )


class Locator:
    """Finds the lines of fields of objects that were loaded."""

    def __init__(self, loaded: LoadResult) -> None:
        self._sources = loaded.sources
        self._positions = Positions()

    def place(self, resource: Resource, path: FieldPath) -> Place:
        """The place of a field: the file and line that set it; that of the object where it is not known."""
        source = self._sources.get(resource.place)
        return self._positions.place_of(resource.place, path, source) if source else resource.place


def _with_objects(loaded: LoadResult, names: Sequence[str]) -> LoadResult:
    if not (loaded.resources or loaded.ignored):
        names = [NAME_OF_STANDARD_INPUT if name == STANDARD_INPUT else name for name in names]
        raise ManifestError([without_objects(names)])
    return loaded


@contextmanager
def uncollected() -> Iterator[None]:
    """Turns the garbage collector off: it takes a third of the time of large work and frees nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _loaded(read: Reading, namespace: str, mesh_config: Text | None = None) -> LoadResult:
    read = Reading.of_all([read, read_mesh_config(mesh_config)])
    problems = list(read.problems)
    patches, positions = Patches(), Positions()
    sources: dict[Place, Source] = {}
    resources: list[Resource] = []
    for document in read.documents:
        for candidate in objects(document):
            if faults := list(object_problems(candidate)):
                problems.extend(positions.located(problem, candidate.source) for problem in faults)
                continue
            item = resource(candidate, len(resources), patches, namespace)
            if candidate.source.document.has_null and _is_custom(item):
                item = without_nulls(item)  # as the API server does before it validates custom resources
            sources[item.place] = candidate.source
            resources.append(item)
            problems.extend(positions.located(problem, candidate.source) for problem in problems_of(item))
    replaced = list(_replaced(resources, sources))
    problems.extend(problem for _, problem in replaced if problem.severity is Severity.ERROR)
    if problems:
        raise ManifestError(problems)
    obsolete = {id(item) for item, _ in replaced}
    resources = [item for item in resources if id(item) not in obsolete]
    resources = [without_nulls(item) if sources[item.place].document.has_null else item for item in resources]
    return LoadResult(
        resources=tuple(item for item in resources if not _is_ignored(item)),
        ignored=tuple(item for item in resources if _is_ignored(item)),
        sources=sources,
        warnings=by_place(chain((problem for _, problem in replaced), _of_other_projects(resources))),
    )


def _is_custom(item: Resource) -> bool:
    return "istio.io" in item.group or item.group in FOREIGN_GROUPS


def _is_ignored(item: Resource) -> bool:
    kind = kind_of(item.api_version, item.kind)
    if kind is None:
        return belongs_to_other_project(item.api_version, item.kind)
    return kind.status is Status.IGNORED


def _of_other_projects(resources: Iterable[Resource]) -> Iterator[Problem]:
    for item in resources:
        if belongs_to_other_project(item.api_version, item.kind):
            yield warnings.OTHER_PROJECT.at(item.place, found=f"{item.kind} ({item.api_version})")


def _replaced(
    resources: Sequence[Resource], sources: Mapping[Place, Source]
) -> Iterator[tuple[Resource, Problem]]:
    """The objects that a later one of the same name replaces, as in kubectl; an error in a single file."""
    latest: dict[tuple[str, str, str, str], Resource] = {}
    for item in resources:
        key = (item.group, item.kind, item.namespace, item.name)
        earlier = latest.get(key)
        latest[key] = item
        if earlier is None or not item.name:
            continue
        is_same_file = sources[item.place].document.file == sources[earlier.place].document.file
        code = syntax.DUPLICATE_OBJECT if is_same_file else warnings.REPLACED_OBJECT
        yield earlier, code.at(item.place, first=earlier.place.position)
