"""One side of a difference: manifests of the working folder or of a git revision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localmesh.errors import InvalidInputError
from localmesh.manifests import LoadResult, Text, load
from localmesh.manifests.files import KUSTOMIZATION_NAMES, STANDARD_INPUT
from localmesh.manifests.objects import DEFAULT_NAMESPACE
from localmesh.manifests.revisions import (
    Checkout,
    RevisionError,
    checked_out,
    in_repository,
    written,
)
from localmesh.problems import ManifestError


class UnknownSideError(InvalidInputError):
    """What should be compared is neither a path nor one in a git revision."""


@dataclass(frozen=True, slots=True)
class Side:
    """The objects of a side; those of a kustomization are a whole mesh, as for `apply`."""

    loaded: LoadResult
    is_whole: bool


def load_side(text: str, namespace: str = DEFAULT_NAMESPACE, mesh_config: Text | None = None) -> Side:
    """The objects of a path, or of REVISION:PATH; `namespace` is that of objects that name none.

    `mesh_config` is a file with mesh-wide settings. Raises ManifestError, RevisionError, UnknownSideError.
    """
    if text == STANDARD_INPUT or Path(text).exists():
        return load_paths([Path(text)], namespace, mesh_config)
    if ":" not in text:
        raise UnknownSideError(
            f"{text} does not exist; name a kustomization, a file, a folder or REVISION:PATH"
        )
    revision, path = written(text)
    with checked_out(revision, [path]) as checkout:
        if not checkout.paths[0].exists():
            raise RevisionError(
                f'{text}: revision {revision} has no "{path}" below the top of the repository'
            )
        return _loaded_from(checkout, checkout.paths, namespace, mesh_config)


def load_revision(
    revision: str,
    paths: Iterable[Path],
    namespace: str = DEFAULT_NAMESPACE,
    mesh_config: Text | None = None,
) -> Side:
    """The objects that paths of the working folder had in a revision; some may not have existed.

    Raises ManifestError, RevisionError.
    """
    with checked_out(revision, [in_repository(path) for path in paths]) as checkout:
        return _loaded_from(
            checkout, [path for path in checkout.paths if path.exists()], namespace, mesh_config
        )


def load_paths(
    paths: Iterable[Path], namespace: str = DEFAULT_NAMESPACE, mesh_config: Text | None = None
) -> Side:
    """The objects of kustomizations, files and folders, as one mesh. Raises ManifestError."""
    paths = list(paths)
    kustomizations = [path for path in paths if _is_kustomization(path)]
    files = [path for path in paths if path not in kustomizations]
    loaded = (
        load(kustomizations=kustomizations, files=files, namespace=namespace, mesh_config=mesh_config)
        if paths
        else LoadResult(())
    )
    return Side(loaded, is_whole=bool(kustomizations))


def _loaded_from(checkout: Checkout, paths: Sequence[Path], namespace: str, mesh_config: Text | None) -> Side:
    try:
        return load_paths(paths, namespace, mesh_config)
    except ManifestError as error:
        raise RevisionError(checkout.named(str(error))) from None


def _is_kustomization(path: Path) -> bool:
    return any((path / name).exists() for name in KUSTOMIZATION_NAMES)
