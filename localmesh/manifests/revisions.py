"""Files of a git revision, written as in git: ``HEAD~1:istio/overlays/canary``."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from localmesh.errors import InvalidInputError
from localmesh.manifests.files import KUSTOMIZATION_NAMES


class RevisionError(InvalidInputError):
    """A revision or its path cannot be read."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """Files of a `revision` in a temporary `folder`; `paths` are where those asked for would be."""

    revision: str
    folder: Path
    paths: tuple[Path, ...]

    def named(self, text: str) -> str:
        """A message about these files, with the revision in the place of the temporary folder."""
        for folder in (str(self.folder), os.path.relpath(self.folder)):
            text = text.replace(f"{folder}/", f"{self.revision}:")
        return text


def in_repository(path: Path) -> str:
    """The path from the top of the repository to one of the working folder. Raises RevisionError."""
    top = _top(str(path))
    absolute = path.resolve()
    if not absolute.is_relative_to(top):
        raise RevisionError(f"{path} is not in the repository {top}")
    return absolute.relative_to(top).as_posix()


def written(reference: str) -> tuple[str, str]:
    """The revision and the path of ``REVISION:PATH``.

    PATH starts at the top of the repository, or with ``./`` or ``../`` at the working folder, as in git.
    """
    revision, _, path = reference.partition(":")
    if path.startswith(("./", "../")):
        return revision, in_repository(Path(path))
    return revision, PurePosixPath(path).as_posix()


@contextmanager
def checked_out(revision: str, paths: Sequence[str]) -> Iterator[Checkout]:
    """The files at paths of a revision, removed at the end; nothing in the repository changes.

    With them come all kustomizations, because one can use others. Raises RevisionError.
    """
    top = _top(revision)
    commit = _git(revision, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="localmesh-revision-") as created:
        folder = Path(created).resolve()
        with tempfile.TemporaryDirectory(prefix="localmesh-index-") as other:
            index = {"GIT_INDEX_FILE": str(Path(other, "index"))}  # the user's own is not touched
            within = ("-C", str(top))
            _git(revision, *within, "read-tree", commit.strip(), **index)
            names = _git(revision, *within, "ls-files", "-z", **index).split("\0")
            needed = "\0".join(_needed([name for name in names if name], paths))
            arguments = ("checkout-index", "-z", "--stdin", f"--prefix={folder}/")
            _git(revision, *within, *arguments, standard_input=needed, **index)
        yield Checkout(revision, folder, tuple(folder / path for path in paths))


def _needed(names: Collection[str], paths: Iterable[str]) -> Iterator[str]:
    """The files below the paths, and those of kustomizations, which can use no files outside their folder."""
    folders = {os.path.dirname(name) for name in names if os.path.basename(name) in KUSTOMIZATION_NAMES}  # noqa: PTH119, PTH120 - of git
    folders |= set(paths)
    for name in names:
        if name in folders or not folders.isdisjoint(_folders(name)):
            yield name


def _folders(name: str) -> Iterator[str]:
    """All folders that a file is in; "" is the top, and `.` as well."""
    yield from ("", ".")
    end = name.find("/")
    while end != -1:
        yield name[:end]
        end = name.find("/", end + 1)


def _top(subject: str) -> Path:
    return Path(_git(subject, "rev-parse", "--show-toplevel").strip()).resolve()


def _git(subject: str, *arguments: str, standard_input: str = "", **environment: str) -> str:
    """The output of git. Raises RevisionError about the subject."""
    try:
        finished = subprocess.run(
            ["git", *arguments],
            env=os.environ | environment,
            input=standard_input,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise RevisionError(f"{subject}: git cannot be run: {error.strerror}") from None
    if finished.returncode:
        reason = finished.stderr.strip() or f'"{subject}" is not a revision of this repository'
        raise RevisionError(f"{subject}: {reason.splitlines()[-1].removeprefix('fatal: ')}")
    return finished.stdout
