"""`localmesh diff`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localmesh.cli import client
from localmesh.cli.options import state_option

if TYPE_CHECKING:
    from localmesh.manifests import LoadResult

_FORMATS = ("text", "envoy", "json")
_DIFFERENT = 1


@click.command()
@click.argument("sides", nargs=-1, metavar="[BEFORE] AFTER")
@click.option(
    "-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Format of the difference."
)
@click.option("--envoy", "form", flag_value="envoy", help="Show Envoy's JSON: the same as -o envoy.")
@state_option
def diff(*, sides: tuple[str, ...], form: str, state_folder: Path | None) -> int:
    """Show what a change of manifests changes for which proxy, without starting anything.

    BEFORE and AFTER are each a kustomization, a file, a folder of manifests, - for standard input, or one of
    these in a git revision, such as HEAD~1:istio/overlays/canary. Without BEFORE, AFTER is compared with the
    running mesh as `apply` would change it.

    Exit status: 0 if there is no difference, 1 if there is one, 2 for wrong usage or input.
    """
    if not 1 <= len(sides) <= 2:
        raise click.UsageError("give one or two of: a kustomization, a file, a folder, REVISION:PATH")
    if len(sides) == 2:
        before, after = _both(*sides)
    else:
        before, after = _applied(sides[0], state_folder)
    from localmesh.diff.meshes import compare
    from localmesh.diff.reports import REPORTS

    difference = compare(before, after)
    text = REPORTS[form](difference)
    if text:
        click.echo(text)
    return _DIFFERENT if difference else 0


def _both(before: str, after: str) -> tuple[LoadResult, LoadResult]:
    """Both sides; most of the time is that of kustomize, which runs for both at once."""
    if before == after == "-":
        raise click.UsageError("standard input can be only one of both")
    from localmesh.diff.sides import load_side

    with ThreadPoolExecutor(max_workers=2) as pool:
        loads = [pool.submit(load_side, side) for side in (before, after)]
        import localmesh.diff.meshes  # noqa: F401 - imported meanwhile

        return loads[0].result(), loads[1].result()


def _applied(after: str, state_folder: Path | None) -> tuple[LoadResult, LoadResult]:
    """The running mesh, and what `apply` would make of it: a kustomization replaces, files are added."""
    from localmesh.diff.sides import is_kustomization, load_side
    from localmesh.manifests import LoadResult, load_text
    from localmesh.runtime.changes import carry_over, key, merged

    mesh = client.connect(state_folder)
    before = load_text(mesh.get("/mesh/manifests")["text"], mesh.url)
    given = load_side(after)
    if not is_kustomization(Path(after)):
        resources = merged(before.resources, given.resources)
        given = LoadResult(tuple(resources), tuple(merged(before.ignored, given.ignored)))
    current = {key(resource): resource for resource in before.resources}
    return before, LoadResult(tuple(carry_over(current, given.resources).values()), given.ignored)
