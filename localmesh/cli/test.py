"""`localmesh test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from localmesh.cli.options import source_options
from localmesh.cli.sources import Sources

if TYPE_CHECKING:
    from localmesh.route_tests.cases import CaseFile
    from localmesh.route_tests.run import Run

_FORMATS = ("text", "json", "junit")


@click.command()
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="FILE|DIR...",
    type=click.Path(path_type=Path, exists=True, allow_dash=True),
)
@source_options
@click.option("--coverage", is_flag=True, help="List the rules that no case reaches.")
@click.option(
    "--coverage-at-least",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail if cases reach fewer of the rules.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the cases that fail.")
@click.option(
    "-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Format of the report."
)
def test(
    *,
    paths: tuple[Path, ...],
    kustomizations: tuple[Path, ...],
    files: tuple[Path, ...],
    coverage: bool,
    coverage_at_least: float | None,
    quiet: bool,
    form: str,
) -> int:
    """Test what the configuration does with requests, without starting anything.

    A FILE lists requests and what is expected of each, and the manifests that it is about; -k and -f replace
    these. Of a DIR these are the files *.test.yaml below it. Files of istio-config-validator can be read too.

    Exit status: 0 if all is as expected, 1 if not, 2 for wrong usage or files that cannot be used.
    """
    from localmesh.route_tests import reports
    from localmesh.route_tests.reading import read_case_files

    runs = _runs(read_case_files(paths), Sources(kustomizations, files))
    report = reports.Report(runs, coverage_at_least)
    if form == "text":
        click.echo(reports.text(report, quiet=quiet, with_coverage=coverage))
    else:
        click.echo(reports.json(report) if form == "json" else reports.junit(report))
    return 0 if report.succeeded else 1


def _runs(read: list[CaseFile], given: Sources) -> list[Run]:
    """The cases of all files, those about the same manifests together."""
    from localmesh.manifests import load
    from localmesh.route_tests.run import run_cases

    by_sources: dict[Sources, list[CaseFile]] = {}
    for file in read:
        by_sources.setdefault(_sources(file, given), []).append(file)
    runs = []
    for sources, about in by_sources.items():
        loaded = load(kustomizations=sources.kustomizations, files=sources.files)
        cases = [case for file in about for case in file.cases]
        runs.append(run_cases(cases, loaded))
    return runs


def _sources(file: CaseFile, given: Sources) -> Sources:
    """What a file is about. Raises click.UsageError if neither it nor the command names manifests."""
    sources = given or Sources(file.kustomizations, file.manifests)
    if not sources:
        raise click.UsageError(
            f"{file.file} names no manifests: add `kustomization:` or `manifests:`, or give -k DIR or -f FILE"
        )
    return sources
