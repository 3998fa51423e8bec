"""One side of a difference: manifests of the working folder or of a git revision."""

from __future__ import annotations

from pathlib import Path

from localmesh.errors import InvalidInputError
from localmesh.manifests import LoadResult, load
from localmesh.manifests.files import KUSTOMIZATION_NAMES, STANDARD_INPUT
from localmesh.manifests.revisions import RevisionError, checked_out
from localmesh.problems import ManifestError


class UnknownSideError(InvalidInputError):
    """What should be compared is neither a path nor one in a git revision."""


def load_side(text: str) -> LoadResult:
    """The objects of a path, or of REVISION:PATH. Raises ManifestError, RevisionError, UnknownSideError."""
    if text == STANDARD_INPUT or Path(text).exists():
        return load_path(Path(text))
    if ":" not in text:
        raise UnknownSideError(
            f"{text} does not exist; name a kustomization, a file, a folder or REVISION:PATH"
        )
    with checked_out(text) as checkout:
        try:
            return load_path(checkout.path)
        except ManifestError as error:
            raise RevisionError(checkout.named(str(error))) from None


def load_path(path: Path) -> LoadResult:
    """The objects of a kustomization, a file or a folder. Raises ManifestError."""
    return load(kustomizations=[path]) if is_kustomization(path) else load(files=[path])


def is_kustomization(path: Path) -> bool:
    """Whether a path is a folder to build with kustomize."""
    return path.is_dir() and any((path / name).exists() for name in KUSTOMIZATION_NAMES)
