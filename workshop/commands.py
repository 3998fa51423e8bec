"""The commands of `workshop`: what to do, to start, to check, and to be helped with an exercise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loadgen.errors import ExitStatus, UsageError
from loadgen.mesh_options import NAMESPACE, mesh_api, mesh_options, reached_gateway
from workshop.configuration import DEFAULT
from workshop.exercise import SOLUTION
from workshop.loading import FOLDER, find, load_all, names
from workshop.namespaces import in_namespace, with_own_gateway, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadgen.deploy import Deployer
    from workshop.exercise import Exercise
    from workshop.grading import Grade

folder_option = click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=FOLDER,
    show_default=True,
    help="The folder with the exercises.",
)


def on_a_mesh(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments of commands for one exercise on a mesh."""
    return click.argument("name")(folder_option(mesh_options(command)))


@click.command("list")
@folder_option
def list_(folder: Path) -> None:
    """List the exercises by page of the workshop, and the broken configurations."""
    from rich.table import Table

    from loadgen.reporting.console import console, show

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in ("page", "exercise", "what"):
        table.add_column(heading, no_wrap=heading != "what")
    for exercise in load_all(folder):
        table.add_row(str(exercise.page or ""), exercise.name, exercise.title)
    show(console(), table)


@click.command()
@on_a_mesh
def start(name: str, folder: Path, **options: Any) -> None:
    """Apply what an exercise begins with, and print its task."""
    _start(find(folder, name), options)


@click.command("break")
@click.argument("number", type=int)
@folder_option
@mesh_options
def break_(number: int, folder: Path, **options: Any) -> None:
    """Break the mesh in one of ten ways, and print the symptoms: find the cause and mend it."""
    _start(find(folder, f"break-{number}"), options)


@click.command()
@on_a_mesh
def check(name: str, folder: Path, **options: Any) -> ExitStatus:
    """Send requests and say PASS, or what was observed instead.

    Exit status: 0 PASS, 1 FAIL, 2 wrong usage, 3 inconclusive, 4 mesh not reachable.
    """
    exercise = find(folder, name)
    grade = _graded(exercise, options)
    click.echo(_after(exercise, grade, [one.name for one in load_all(folder)]))
    return _exit_status(grade)


@click.command()
@on_a_mesh
def hint(name: str, folder: Path, **options: Any) -> ExitStatus:
    """Send the requests of `check`, and give a hint that fits what is observed."""
    exercise = find(folder, name)
    grade = _graded(exercise, options)
    if _exit_status(grade) and grade.misplaced:
        click.echo(
            f"In the namespace {DEFAULT}: {', '.join(grade.misplaced)}."
            f" The application is in {options['namespace']}.\n{_how_to_apply(options)}\n"
        )
    click.echo("nothing is left to do" if not _exit_status(grade) else (grade.mistake or exercise).hint)
    return ExitStatus.OK


@click.command()
@click.option("--apply", "applying", is_flag=True, help="Apply it to the mesh as well.")
@on_a_mesh
def solution(name: str, folder: Path, *, applying: bool, **options: Any) -> None:
    """Print manifests that solve an exercise: one of many solutions."""
    exercise = find(folder, name)
    manifests = with_own_gateway(exercise.solution, options["namespace"])
    click.echo(manifests, nl=False)
    if applying:
        with _deployer(options) as deployer:
            deployer.add(manifests, str(exercise.folder / SOLUTION))
        click.echo("applied", err=True)


@click.command()
@click.argument("number", type=click.IntRange(1, 99))
@click.argument("target", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--prefix", default="trainee-", show_default=True, help="What the names begin with.")
@folder_option
def namespaces(number: int, target: Path, prefix: str, folder: Path) -> None:
    """Write a kustomization for each of NUMBER trainees to DIR.

    Each has the application and an ingress gateway in a namespace of its own.
    """
    names(folder)  # an error if this is not the root of the repository
    for position in range(1, number + 1):
        namespace = f"{prefix}{position:02}"
        write(folder.parent / "istio" / "base", namespace, target / namespace)
        click.echo(f"kubectl apply -k {target / namespace}")


def _start(exercise: Exercise, options: dict[str, Any]) -> None:
    if not (exercise.start / "kustomization.yaml").is_file():
        raise UsageError(f"{exercise.folder}: start: {exercise.start} has no kustomization.yaml")
    namespace = options["namespace"]
    if exercise.second_namespace and namespace != NAMESPACE:
        raise UsageError(
            f"{exercise.name} needs a namespace outside of the mesh, which trainees cannot share: "
            f"do it without --namespace"
        )
    with _deployer(options) as deployer, in_namespace(exercise.start, namespace) as kustomization:
        deployer.apply(kustomization)
    click.echo(f"{exercise.name}: {exercise.title}\n\n{exercise.task}\n")
    click.echo(f"{_how_to_apply(options)}\nwhen you are done: workshop check {exercise.name}")


def _how_to_apply(options: dict[str, Any]) -> str:
    program = "kubectl" if options["target"] == "cluster" else "localmesh"
    return f"apply what you write: {program} apply -n {options['namespace']} -f FILE"


def _graded(exercise: Exercise, options: dict[str, Any]) -> Grade:
    """The grade of what the mesh does now, printed like a proof."""
    from loadgen.measurement.signals import interrupted_by_signals
    from loadgen.proofs.common.proof import ProofContext
    from loadgen.reporting.console import console
    from loadgen.reporting.progress import listener
    from loadgen.reporting.report import print_result
    from workshop.grading import grade

    with interrupted_by_signals(), mesh_api(options) as api:
        context = ProofContext(api, reached_gateway(api, options), listener(exercise.name))
        graded = grade(exercise, context)
    print_result(console(), graded.result)
    return graded


def _after(exercise: Exercise, grade: Grade, known: Sequence[str]) -> str:
    """What to do next."""
    if _exit_status(grade) is ExitStatus.INCONCLUSIVE:
        return f"no verdict; once more: workshop check {exercise.name}"
    if _exit_status(grade) is ExitStatus.CHECK_FAILED:
        return f"a hint: workshop hint {exercise.name}"
    following = known[known.index(exercise.name) + 1 :]
    return f"next: workshop start {following[0]}" if following else "that was the last one"


def _exit_status(grade: Grade) -> ExitStatus:
    from loadgen.prove.cli import EXIT_STATUS

    return EXIT_STATUS[grade.result.verdict]


@contextmanager
def _deployer(options: dict[str, Any]) -> Iterator[Deployer]:
    from loadgen.deploy import deployer_of

    # only requests need the address of the gateway
    with mesh_api({**options, "gateway": options["gateway"] or "http://127.0.0.1"}) as api:
        yield deployer_of(options["target"], api, options["istio_namespace"])
