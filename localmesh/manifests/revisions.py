"""Files of a git revision, written as git does: ``HEAD~1:istio/overlays/canary``."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localmesh.errors import InvalidInputError


class RevisionError(InvalidInputError):
    """A revision or its path cannot be read."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of a revision in a temporary `folder`, and the `path` in it that was asked for."""

    revision: str
    folder: Path
    path: Path

    def named(self, text: str) -> str:
        """A message about these files, with the revision in the place of the temporary folder."""
        for folder in (str(self.folder), os.path.relpath(self.folder)):
            text = text.replace(f"{folder}/", f"{self.revision}:")
        return text


@contextmanager
def checked_out(reference: str) -> Iterator[Checkout]:
    """The files of ``REVISION:PATH``, removed at the end; nothing in the repository changes.

    PATH starts at the top of the repository, or with ``./`` at the working folder, as in `git show`. All
    files of the revision are there, because a kustomization can use others. Raises RevisionError.
    """
    revision, _, path = reference.partition(":")
    top = Path(_git(reference, "rev-parse", "--show-toplevel").strip())
    commit = _git(reference, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    within = os.path.normpath(_prefix(reference) / path if path.startswith(("./", "../")) else path)
    with tempfile.TemporaryDirectory(prefix="localmesh-revision-") as created:
        folder = Path(created).resolve()
        # an index of its own: the user's is not touched
        index = {"GIT_INDEX_FILE": str(folder / ".index")}
        _git(reference, "-C", str(top), "read-tree", commit.strip(), **index)
        _git(reference, "-C", str(top), "checkout-index", "--all", f"--prefix={folder}/", **index)
        (folder / ".index").unlink()
        if not (folder / within).exists():
            raise RevisionError(f'{reference}: revision {revision} has no "{within}"; name a path from {top}')
        yield Checkout(revision, folder, folder / within)


def _prefix(reference: str) -> Path:
    """The working folder within the repository."""
    return Path(_git(reference, "rev-parse", "--show-prefix").strip())


def _git(reference: str, *arguments: str, **environment: str) -> str:
    try:
        finished = subprocess.run(
            ["git", *arguments], env=os.environ | environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RevisionError(f"{reference}: git cannot be run: {error.strerror}") from None
    if finished.returncode:
        revision = reference.partition(":")[0]
        reason = finished.stderr.strip() or f'"{revision}" is not a revision of this repository'
        raise RevisionError(f"{reference}: {reason.splitlines()[-1].removeprefix('fatal: ')}")
    return finished.stdout
