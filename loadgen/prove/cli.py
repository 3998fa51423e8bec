"""The command `loadgen prove`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadgen.deploy.overlays import FOLDER, find_overlays, has_policies
from loadgen.errors import ExitStatus, UsageError
from loadgen.measurement.signals import interrupted_by_signals
from loadgen.mesh_options import mesh_api, mesh_options, reached_gateway
from loadgen.meshstate import MeshLocation
from loadgen.prove.runner import ProofRunner
from loadgen.reporting.console import console
from loadgen.reporting.output import check_writable, write_json, write_text
from loadgen.statistics.judge import Verdict, overall

if TYPE_CHECKING:
    from loadgen.proofs.common.proof import Proof, Result

    AnyProof = Proof[Any, Any]

EXIT_STATUS = {
    Verdict.PASS: ExitStatus.OK,
    Verdict.FAIL: ExitStatus.CHECK_FAILED,
    Verdict.INCONCLUSIVE: ExitStatus.INCONCLUSIVE,
}


@click.command()
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option("--all", "every", is_flag=True, help="Every scenario, each on its own overlay.")
@click.option("--faults", is_flag=True, help="Every fault of istio/faults, and its repair.")
@click.option(
    "--apply", "applying", is_flag=True, help="Apply the overlay of each SCENARIO before its proof."
)
@click.option(
    "--overlays",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=FOLDER,
    show_default=True,
    help="The folder with the overlays, each in a folder named like its scenario.",
)
@mesh_options
@click.option("--json", "json_path", metavar="FILE", help="The report as JSON; - for standard output.")
@click.option("--junit", "junit_path", metavar="FILE", help="The report as JUnit XML.")
def prove(
    scenarios: tuple[str, ...], json_path: str | None, junit_path: str | None, **options: Any
) -> ExitStatus:
    """Prove that the mesh does what each SCENARIO shows, as configured; without one, list them.

    faults/NAME is the fault of that name, which causes its response flag, faults/NAME/repaired its repair.

    With --all, --faults or --apply, each overlay is applied before its proof, and the previous configuration
    at the end. The API of a cluster is reached through `kubectl proxy` (--mesh), or in a pod with its
    ServiceAccount; a cluster needs --gateway. kubectl applies its overlays, through that proxy.

    Exit status: 0 all passed, 1 a check failed, 2 wrong usage, 3 inconclusive, 4 mesh not reachable.
    """
    from loadgen.faults.cabinet import fault_proofs
    from loadgen.proofs import proofs
    from loadgen.reporting.junit import junit
    from loadgen.reporting.report import print_mesh, print_scenarios
    from loadgen.reporting.report_json import document

    known, faults = proofs(), fault_proofs()
    output = console(stderr=json_path == "-")
    selected = _selected(scenarios, known, faults, options)
    if not selected:
        print_scenarios(output, (*known.values(), *faults.values()))
        return ExitStatus.OK
    check_writable(json_path, junit_path)
    overlays = _overlays(selected, options)
    if overlays is not None and options["every"]:
        selected = sorted(selected, key=lambda proof: has_policies(overlays[proof.scenario]))
    started = datetime.now(UTC)
    with interrupted_by_signals(), mesh_api(options) as api:
        gateway = reached_gateway(api, options)
        mesh = MeshLocation(api.url) if options["target"] == "cluster" else api.location()
        print_mesh(output, mesh)
        runner = ProofRunner(api, gateway, options["target"], options["istio_namespace"])
        results = (
            runner.run(selected, output)
            if overlays is None
            else runner.run_on_overlays(selected, overlays, output)
        )
        report = document(results, mesh=mesh, gateway=gateway.url, started=started)
    if json_path:
        write_json(json_path, report)
    if junit_path:
        write_text(junit_path, junit(results, mesh=mesh))
    return _exit_status(results)


def _selected(
    scenarios: Sequence[str],
    known: Mapping[str, AnyProof],
    faults: Mapping[str, AnyProof],
    options: Mapping[str, Any],
) -> list[AnyProof]:
    """The proofs that are named, or all of a kind."""
    whole = {"--all": (options["every"], known), "--faults": (options["faults"], faults)}
    chosen = {option: of_kind for option, (given, of_kind) in whole.items() if given}
    if chosen and scenarios:
        option = next(iter(chosen))
        raise UsageError(f"{option} is every one of them: leave out {' '.join(scenarios)}, or {option}")
    if chosen:
        return [proof for of_kind in chosen.values() for proof in of_kind.values()]
    return [_known(scenario, {**known, **faults}) for scenario in scenarios]


def _known(scenario: str, known: Mapping[str, AnyProof]) -> AnyProof:
    if scenario in known:
        return known[scenario]
    close = difflib.get_close_matches(scenario, known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"the scenarios are {', '.join(known)}"
    raise UsageError(f'no scenario is named "{scenario}"; {hint}')


def _overlays(selected: Sequence[AnyProof], options: Mapping[str, Any]) -> dict[str, Path] | None:
    """The overlays to apply; None to prove the current configuration."""
    if not (options["every"] or options["faults"] or options["applying"]):
        return None
    scenarios = [proof.scenario for proof in selected]
    return find_overlays(options["overlays"], scenarios, target=options["target"])


def _exit_status(results: Sequence[Result]) -> ExitStatus:
    """The exit status for all results together: nothing is known of a mesh that was not reachable."""
    if any(result.unreachable for result in results):
        return ExitStatus.NOT_REACHABLE
    return EXIT_STATUS[overall(result.verdict for result in results)]
