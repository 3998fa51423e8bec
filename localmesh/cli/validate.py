"""`localmesh validate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localmesh.cli.options import (
    PATH,
    kustomize_option,
    mesh_config_option,
    own_namespace_option,
    strict_option,
)
from localmesh.cli.sources import Sources
from localmesh.kustomize_build import KustomizeBuild

if TYPE_CHECKING:
    from localmesh.analysis.validation import FileReport

_FORMATS = ("text", "json", "junit", "sarif")


@click.command()
@click.argument("paths", nargs=-1, metavar="[FILE|DIR]...", type=PATH)
@kustomize_option
@own_namespace_option
@mesh_config_option
@click.option("--each", is_flag=True, help="Validate every file alone; search folders with their subfolders.")
@click.option(
    "-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Format of the report."
)
@strict_option
def validate(
    *,
    paths: tuple[Path, ...],
    kustomizations: tuple[Path, ...],
    namespace: str,
    mesh_config: Path | None,
    each: bool,
    form: str,
    strict: bool,
) -> int:
    """Validate manifests without starting anything.

    All files together are one mesh, unless --each is given. Exit status: 0 if there are no errors, 1 if there
    are, 2 for wrong usage. Warnings are errors with --strict.
    """
    if mesh_config is None or paths or kustomizations:
        _require(paths, kustomizations, each=each)
    builds = list(map(KustomizeBuild, kustomizations))  # runs during the imports
    from localmesh.analysis.validation import Settings, validate_each, validate_together

    sources = Sources((), (), namespace, mesh_config)
    settings = Settings(namespace, sources.mesh_config_text(), strict)
    if each:
        reports = list(validate_each(paths, settings))
        if not reports:
            raise click.UsageError(f"no .yaml, .yml or .json files in {', '.join(map(str, paths))}")
    else:
        reports = validate_together(builds, paths, settings)
    click.echo(_formatter(form)(reports))
    return 1 if any(report.errors for report in reports) else 0


def _require(paths: tuple[Path, ...], kustomizations: tuple[Path, ...], *, each: bool) -> None:
    """Raises click.UsageError if there is nothing to validate, or something cannot be validated so."""
    if not paths and not kustomizations:
        raise click.UsageError("no manifests: give a FILE, a DIR or -k DIR (a kustomization)")
    if each and kustomizations:
        raise click.UsageError(
            "--each validates files; a kustomization is built as a whole: give only one of them"
        )


def _formatter(form: str) -> Callable[[Iterable[FileReport]], str]:
    from localmesh.analysis import validation_reports

    formatter: Callable[[Iterable[FileReport]], str] = getattr(validation_reports, form)
    return formatter
