"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from localmesh import DEFAULT_TRACE_SAMPLING
from localmesh.cli.sources import Sources

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PORT = click.IntRange(0, 65535)
"""A port; 0 means any free one."""

NO_ARGUMENTS: dict[str, Any] = {"allow_extra_args": True}
"""Context settings of a command that takes options only: `required` reports arguments."""


class _ManifestPath(click.Path):
    """A path; a URL gets an answer of its own."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Raises click.UsageError."""
        if str(value).startswith(("http://", "https://")):
            self.fail(
                f"{value} is a URL, which is not read: pipe it: curl -s {value} | localmesh … -f -",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


PATH = _ManifestPath(exists=True, allow_dash=True, path_type=Path)
"""An existing file or folder, or `-` for standard input."""

state_option: Decorator = click.option(
    "--state",
    "state_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the logs and files of a running mesh.  [default: LOCALMESH_STATE or .localmesh]",
)
"""Adds `--state`; the command gets it as `state_folder`, None where it is not given."""

strict_option: Decorator = click.option(
    "--strict", is_flag=True, help="Treat warnings, about what Istio accepts but cannot work, as errors."
)
"""Adds `--strict`."""

trace_sampling_option: Decorator = click.option(
    "--trace-sampling",
    type=click.FloatRange(0, 100),
    default=DEFAULT_TRACE_SAMPLING,
    show_default=True,
    metavar="PERCENT",
    help="Share of requests that are traced, unless the manifests set another one.",
)
"""Adds `--trace-sampling`."""

namespace_option: Decorator = click.option(
    "-n", "--namespace", metavar="NAME", help="Only in this namespace.  [default: in any]"
)
"""Adds `-n`."""

own_namespace_option: Decorator = click.option(
    "-n",
    "--namespace",
    default="default",
    show_default=True,
    metavar="NAME",
    help="Namespace of objects that name none.",
)
"""Adds `-n` for manifests; the command gets it as `namespace`."""

mesh_config_option: Decorator = click.option(
    "--mesh-config",
    type=PATH,
    metavar="FILE",
    help="Read the mesh-wide settings (MeshConfig) from a YAML file.",
)
"""Adds `--mesh-config`; the command gets it as `mesh_config`, None where it is not given."""

kustomize_option: Decorator = click.option(
    "-k",
    "--kustomize",
    "kustomizations",
    multiple=True,
    type=PATH,
    metavar="DIR",
    help="Build a kustomization. May be repeated.",
)
"""Adds `-k`; the command gets it as `kustomizations`."""


def port_option(name: str, default: int, text: str) -> Decorator:
    """Adds an option for a port."""
    return click.option(name, type=PORT, default=default, show_default=True, help=text)


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `-k` and `-f`; the command gets them as `kustomizations` and `files`."""
    command = click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="Read a YAML file, all files of a folder, or - for standard input. May be repeated.",
    )(command)
    return kustomize_option(command)


def manifest_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `-k`, `-f`, `-n` and `--mesh-config`; the command gets what they name as `sources`."""

    @wraps(command)
    def with_sources(**given: Any) -> Any:
        names = ("kustomizations", "files", "namespace", "mesh_config")
        return command(sources=Sources(*(given.pop(name) for name in names)), **given)

    return source_options(own_namespace_option(mesh_config_option(with_sources)))


def required(sources: Sources) -> Sources:
    """The sources, if there are any and no arguments beside them. Raises click.UsageError."""
    context = click.get_current_context()
    command = [] if sources else context.params.get("command", ())  # of `up`
    for word in (*context.args, *(word for word in command if Path(word).exists())):
        raise click.UsageError(f'"{word}" is not an option: write -k {word} (a kustomization) or -f {word}')
    if not sources:
        raise click.UsageError("no manifests: give -k DIR (a kustomization) or -f FILE")
    return sources
