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
    """All files of a `revision` in a temporary `folder`; `top` is that of the repository."""

    revision: str
    folder: Path
    top: Path

    def path(self, text: str) -> Path:
        """A path that is written as in `git show REVISION:PATH`. Raises RevisionError if it is missing.

        It starts at the top of the repository, or with ``./`` or ``../`` at the working folder.
        """
        if text.startswith(("./", "../")):
            within = self.counterpart(Path(text))
        else:
            within = self.folder / os.path.normpath(text)
        if not within.exists():
            problem = f'revision {self.revision} has no "{text}"; name a path from {self.top}'
            raise RevisionError(f"{self.revision}:{text}: {problem}")
        return within

    def counterpart(self, path: Path) -> Path:
        """Where a path of the working folder is here, whether it exists or not. Raises RevisionError."""
        absolute = path.resolve()
        if not absolute.is_relative_to(self.top):
            raise RevisionError(f"{path} is not in the repository {self.top}")
        return self.folder / absolute.relative_to(self.top)

    def named(self, text: str) -> str:
        """A message about these files, with the revision in the place of the temporary folder."""
        for folder in (str(self.folder), os.path.relpath(self.folder)):
            text = text.replace(f"{folder}/", f"{self.revision}:")
        return text


@contextmanager
def checked_out(revision: str) -> Iterator[Checkout]:
    """The files of a revision, removed at the end; nothing in the repository changes.

    All of them, because a kustomization can use files anywhere. Raises RevisionError.
    """
    top = Path(_git(revision, "rev-parse", "--show-toplevel").strip()).resolve()
    commit = _git(revision, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="localmesh-revision-") as created:
        folder = Path(created).resolve()
        with tempfile.TemporaryDirectory(prefix="localmesh-index-") as other:
            index = {"GIT_INDEX_FILE": str(Path(other, "index"))}  # the user's own is not touched
            _git(revision, "-C", str(top), "read-tree", commit.strip(), **index)
            _git(revision, "-C", str(top), "checkout-index", "--all", f"--prefix={folder}/", **index)
        yield Checkout(revision, folder, top)


def _git(revision: str, *arguments: str, **environment: str) -> str:
    try:
        finished = subprocess.run(
            ["git", *arguments], env=os.environ | environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise RevisionError(f"{revision}: git cannot be run: {error.strerror}") from None
    if finished.returncode:
        reason = finished.stderr.strip() or f'"{revision}" is not a revision of this repository'
        raise RevisionError(f"{revision}: {reason.splitlines()[-1].removeprefix('fatal: ')}")
    return finished.stdout
