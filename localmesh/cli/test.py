"""`localmesh test`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localmesh.cli.options import PATH, mesh_config_option, source_options, state_option
from localmesh.cli.sources import Sources

if TYPE_CHECKING:
    from localmesh.route_tests.cases import CaseFile
    from localmesh.route_tests.reports import Report
    from localmesh.route_tests.run import Run

_FORMATS = ("text", "json", "junit")


@click.command()
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="FILE|DIR...",
    type=PATH,
)
@source_options
@mesh_config_option
@click.option("--coverage", is_flag=True, help="List the rules that no case reaches.")
@click.option(
    "--coverage-at-least",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail if cases reach fewer of the rules.",
)
@click.option(
    "--live",
    is_flag=True,
    help="Also send the requests through real Envoys, and say where these disagree.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only the cases that fail.")
@click.option(
    "-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Format of the report."
)
@state_option
def test(
    *,
    paths: tuple[Path, ...],
    kustomizations: tuple[Path, ...],
    files: tuple[Path, ...],
    mesh_config: Path | None,
    coverage_at_least: float | None,
    live: bool,
    state_folder: Path | None,
    **output: Any,
) -> int:
    """Test what the configuration does with requests, without starting anything.

    A FILE lists requests and what is expected of each, and the manifests that it is about; -k and -f replace
    these, and without any it is about the running mesh. Of a DIR these are the files *.test.yaml below it.
    Files of istio-config-validator can be read too.

    With --live a mesh of stubs is started from the same manifests; the running mesh gets the requests itself.

    Exit status: 0 if all is as expected, 1 if not, 2 for wrong usage or files that cannot be used.
    """
    from localmesh.route_tests import reports
    from localmesh.route_tests.reading import read_case_files

    given = Sources(kustomizations, files, mesh_config=mesh_config)
    runs = _runs(read_case_files(paths), given, state_folder)
    results = _sent_live(runs, state_folder) if live else [run for run, _ in runs]
    report = reports.Report(results, coverage_at_least)
    click.echo(_formatted(report, **output))
    return 0 if report.succeeded else 1


def _formatted(report: Report, *, form: str, quiet: bool, coverage: bool) -> str:
    from localmesh.route_tests import reports

    if form == "text":
        width = shutil.get_terminal_size((0, 0)).columns or None
        return reports.text(report, quiet=quiet, with_coverage=coverage, width=width)
    return reports.json(report) if form == "json" else reports.junit(report)


def _runs(read: list[CaseFile], given: Sources, state_folder: Path | None) -> list[tuple[Run, bool]]:
    """The cases of all files by their manifests, and whether these are those of the running mesh."""
    from localmesh.manifests import load_text
    from localmesh.route_tests.run import RUNNING_MESH, run_cases

    by_sources: dict[Sources, list[CaseFile]] = {}
    for file in read:
        of_file = Sources(file.kustomizations, file.manifests, mesh_config=given.mesh_config)
        sources = given if given.has_objects else of_file
        by_sources.setdefault(sources, []).append(file)
    runs = []
    for sources, about in by_sources.items():
        loaded = (
            sources.objects() if sources else load_text(_applied(state_folder, about[0].file), RUNNING_MESH)
        )
        cases = [case for file in about for case in file.cases]
        runs.append((run_cases(cases, loaded, sources.options), not sources))
    return runs


def _applied(state_folder: Path | None, file: str) -> str:
    """The objects of the running mesh. Raises click.UsageError if there is none."""
    from localmesh.cli.client import NoMeshError, connect

    try:
        text: str = connect(state_folder).get("/mesh/manifests")["text"]
    except NoMeshError as error:
        raise click.UsageError(
            f"{file} names no manifests: add `kustomization:` or `manifests:`, or give -k DIR or -f FILE; "
            f"without these it is about the running mesh, but {error}"
        ) from None
    return text


def _sent_live(runs: list[tuple[Run, bool]], state_folder: Path | None) -> list[Run]:
    """The results with what real Envoys did. Raises click.Abort when it is interrupted."""
    import asyncio

    from localmesh.cli.client import connect
    from localmesh.cli.foreground import log_to_stderr, run_in_foreground
    from localmesh.route_tests.live.meshes import RunningMesh, sent, sent_to_stubs

    started: list[Run] = []

    async def work() -> int:
        started.extend(await sent_to_stubs([run for run, is_running in runs if not is_running]))
        return 0

    log_to_stderr()
    if not all(is_running for _, is_running in runs) and asyncio.run(run_in_foreground(work())):
        raise click.Abort
    return [
        sent(run, RunningMesh(connect(state_folder).get)) if is_running else started.pop(0)
        for run, is_running in runs
    ]
