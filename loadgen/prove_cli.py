"""The command line of `loadgen prove`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from loadgen.changing import Change, change_cluster, change_localmesh
from loadgen.console import console
from loadgen.errors import ExitStatus, UsageError
from loadgen.http1 import Target
from loadgen.http1.target import reach
from loadgen.inforce import MeshApi
from loadgen.inforce.service_account import ServiceAccount
from loadgen.judge import Verdict, overall
from loadgen.mesh_options import GATEWAY_VARIABLE, KUBECTL_PROXY_URL, LOCALMESH_URL, NAMESPACE, mesh_option
from loadgen.output import check_writable, write_json, write_text

if TYPE_CHECKING:
    from rich.console import Console

    from loadgen.prove import Proof, Result

EXIT_STATUS = {
    Verdict.PASS: ExitStatus.OK,
    Verdict.FAIL: ExitStatus.CHECK_FAILED,
    Verdict.INCONCLUSIVE: ExitStatus.INCONCLUSIVE,
}


@click.command()
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option("--target", type=click.Choice(["localmesh", "cluster"]), default="localmesh", show_default=True)
@mesh_option
@click.option(
    "--gateway",
    metavar="URL",
    envvar=GATEWAY_VARIABLE,
    show_envvar=True,
    help="The ingress gateway.  [default: as the local mesh says]",
)
@click.option("--namespace", default=NAMESPACE, show_default=True, help="Where the application is.")
@click.option("--json", "json_path", metavar="FILE", help="The report as JSON; - for standard output.")
@click.option("--junit", "junit_path", metavar="FILE", help="The report as JUnit XML.")
def prove(
    scenarios: tuple[str, ...], json_path: str | None, junit_path: str | None, **where: Any
) -> ExitStatus:
    """Prove that the mesh does what each SCENARIO shows, as it is in force; without one, list them.

    A cluster is asked through `kubectl proxy` (--mesh), or in a pod of it with that pod's ServiceAccount; it
    needs --gateway.

    Exit status: 0 all passed, 1 a check failed, 2 wrong usage, 3 inconclusive, 4 mesh not reachable.
    """
    from loadgen.junit import junit
    from loadgen.proofs import proofs
    from loadgen.report import print_scenarios
    from loadgen.report_json import document

    known = proofs()
    output = console(stderr=json_path == "-")
    if not scenarios:
        print_scenarios(output, known.values())
        return ExitStatus.OK
    wanted = [_known(scenario, known) for scenario in scenarios]
    check_writable(json_path, junit_path)
    started = datetime.now(UTC)
    with _api(**where) as api:
        gateway = _gateway(api, where)
        change = change_cluster if where["target"] == "cluster" else change_localmesh
        results = _run(wanted, api, gateway, change, output)
        report = document(results, mesh=api.url, gateway=gateway.url, started=started)
    if json_path:
        write_json(json_path, report)
    if junit_path:
        write_text(junit_path, junit(results))
    return EXIT_STATUS[overall(result.verdict for result in results)]


def _known(scenario: str, known: Mapping[str, Proof]) -> Proof:
    if scenario in known:
        return known[scenario]
    close = difflib.get_close_matches(scenario, known, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"there are: {', '.join(known)}"
    raise UsageError(f'there is no proof of a scenario "{scenario}"; {hint}')


def _api(*, target: str, mesh: str | None, gateway: str | None, namespace: str) -> MeshApi:
    """The API to ask; a cluster's says nothing about its gateway's address."""
    if target == "cluster" and not gateway:
        raise UsageError("--target cluster needs the address of the ingress gateway: --gateway URL")
    if target == "cluster" and not mesh and (own := ServiceAccount.of_this_pod(os.environ)):
        return MeshApi(own.url, namespace, service_account=own)
    return MeshApi(mesh or (LOCALMESH_URL if target == "localmesh" else KUBECTL_PROXY_URL), namespace)


def _gateway(api: MeshApi, where: Mapping[str, Any]) -> Target:
    """The gateway to send to, once it accepts a connection."""
    import uvloop

    return uvloop.run(reach(Target.from_url(where["gateway"] or api.gateway())))


def _run(
    wanted: Sequence[Proof], api: MeshApi, gateway: Target, change: Change, output: Console
) -> list[Result]:
    """Each proof once, in order, printed as soon as it is known; Ctrl-C ends with the current one."""
    from loadgen.progress import listener
    from loadgen.prove import Bench, run
    from loadgen.report import print_legend, print_result

    results: list[Result] = []
    for proof in wanted:
        result = run(proof, Bench(api, gateway, listener(proof.scenario), change))
        print_result(output, result)
        results.append(result)
        if result.interrupted:
            break
    if any(check.measured for result in results for check in result.checks):
        print_legend(output)
    return results
