"""Options that several commands share: which manifests, `-k DIR` and `-f FILE`, and which state folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localmesh.cli.client import DEFAULT_STATE_FOLDER

if TYPE_CHECKING:
    from localmesh.manifests import LoadResult


STANDARD_INPUT = Path("-")
WARNINGS_SHOWN = "warnings shown"
"""Set in a request whose warnings have been printed already; not sent."""

PORT = click.IntRange(0, 65535)
"""A port; 0 means any free one."""

state_option = click.option(
    "--state",
    "state_folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STATE_FOLDER,
    envvar="LOCALMESH_STATE",
    show_default=True,
    help="Folder for logs and everything else that a running mesh keeps.",
)
"""Adds `--state`; the command gets it as `state_folder`."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Folders to build with kustomize, and files, folders or ``-`` to read."""

    kustomizations: tuple[Path, ...]
    files: tuple[Path, ...]

    def __bool__(self) -> bool:
        return bool(self.kustomizations or self.files)

    def ordered(self, *, strict: bool, elsewhere: bool) -> dict[str, Any]:
        """What to ask of a running mesh: that it becomes this or, without kustomizations, adds it.

        A mesh `elsewhere` does not have these files. Raises ManifestError.
        """
        order: dict[str, Any] = {"merge": not self.kustomizations, "strict": strict}
        if not self.kustomizations:
            from localmesh.manifests import texts

            return order | {"texts": [asdict(each) for each in texts(self.files)]}
        if elsewhere or STANDARD_INPUT in self.files:
            return order | self._as_text(strict=strict)
        paths = {"kustomizations": self.kustomizations, "files": self.files}
        return order | {name: [str(path.resolve()) for path in of] for name, of in paths.items()}

    def _as_text(self, *, strict: bool) -> dict[str, Any]:
        """The objects alone. What is doubtful of them is told here, where their files and lines are known."""
        loaded = self.load(strict=strict)
        objects = (dict(resource.body) for resource in (*loaded.resources, *loaded.ignored))
        named = ", ".join(map(str, (*self.kustomizations, *self.files)))
        return {
            "text": "---\n".join(f"{json.dumps(each)}\n" for each in objects),
            "file": named,
            WARNINGS_SHOWN: True,
        }

    def load(self, *, strict: bool) -> LoadResult:
        """What they hold. Prints warnings; with `strict` they are errors. Raises ManifestError."""
        from localmesh.analysis import analyze_manifests, refuse
        from localmesh.manifests import load

        loaded = load(kustomizations=self.kustomizations, files=self.files)
        warnings = analyze_manifests(loaded)
        if strict:
            refuse(warnings)
        for warning in warnings:
            click.echo(f"{warning}\n", err=True)
        return loaded


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `-k` and `-f`; the command gets them as `kustomizations` and `files`."""
    path = click.Path(path_type=Path)
    command = click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        type=path,
        metavar="FILE",
        help="Read a YAML file, all of a folder, or - for standard input. May be repeated.",
    )(command)
    return click.option(
        "-k",
        "--kustomize",
        "kustomizations",
        multiple=True,
        type=path,
        metavar="DIR",
        help="Build a kustomization. May be repeated.",
    )(command)


ALONE: dict[str, Any] = {"allow_extra_args": True}
"""Context settings of a command that takes no words beside its options: `required` refuses them."""


def strict_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--strict`."""
    return click.option(
        "--strict", is_flag=True, help="Refuse what Istio accepts but cannot work, instead of warning."
    )(command)


def required(sources: Sources) -> Sources:
    """The sources, if there are any, and no words beside them. Raises click.UsageError."""
    context = click.get_current_context()
    command = [] if sources else context.params.get("command", ())  # of `up`
    for word in (*context.args, *(word for word in command if Path(word).exists())):
        raise click.UsageError(f'"{word}" is no option: write -k {word} (a kustomization) or -f {word}')
    if not sources:
        raise click.UsageError("name what to run: -k DIR (a kustomization) or -f FILE")
    return sources
