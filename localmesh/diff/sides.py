"""One side of a difference: manifests of the working folder or of a git revision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localmesh.errors import InvalidInputError
from localmesh.manifests import LoadResult, load
from localmesh.manifests.files import KUSTOMIZATION_NAMES, STANDARD_INPUT
from localmesh.manifests.revisions import RevisionError, checked_out
from localmesh.problems import ManifestError


class UnknownSideError(InvalidInputError):
    """What should be compared is neither a path nor one in a git revision."""


@dataclass(frozen=True, slots=True)
class Side:
    """The objects of a side; those of a kustomization are a whole mesh, as for `apply`."""

    loaded: LoadResult
    is_whole: bool


def load_side(text: str) -> Side:
    """The objects of a path, or of REVISION:PATH. Raises ManifestError, RevisionError, UnknownSideError."""
    if text == STANDARD_INPUT or Path(text).exists():
        return _load(Path(text))
    if ":" not in text:
        raise UnknownSideError(
            f"{text} does not exist; name a kustomization, a file, a folder or REVISION:PATH"
        )
    with checked_out(text) as checkout:
        try:
            return _load(checkout.path)
        except ManifestError as error:
            raise RevisionError(checkout.named(str(error))) from None


def _load(path: Path) -> Side:
    if path.is_dir() and any((path / name).exists() for name in KUSTOMIZATION_NAMES):
        return Side(load(kustomizations=[path]), is_whole=True)
    return Side(load(files=[path]), is_whole=False)
