"""`localmesh diff`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localmesh.cli import client
from localmesh.cli.options import manifest_options, state_option
from localmesh.cli.sources import Sources
from localmesh.errors import LocalmeshError

if TYPE_CHECKING:
    from localmesh.manifests import LoadResult

    Pair = tuple[LoadResult, LoadResult]
    from localmesh.diff.sides import Side

_FORMATS = ("text", "envoy", "json")
_DIFFERENT = 1


@click.command()
@click.argument("sides", nargs=-1, metavar="[BEFORE] AFTER | --since REVISION PATH...")
@click.option("--since", metavar="REVISION", help="Compare paths with what they were in a git revision.")
@manifest_options
@click.option(
    "-o", "--output", "form", type=click.Choice(_FORMATS), default="text", help="Format of the difference."
)
@click.option("--envoy", "form", flag_value="envoy", help="Show Envoy's JSON, as -o envoy does.")
@state_option
def diff(
    *,
    sides: tuple[str, ...],
    since: str | None,
    sources: Sources,
    form: str,
    state_folder: Path | None,
) -> int:
    """Show what a change of manifests changes for which proxy, without starting anything.

    BEFORE and AFTER are each a kustomization, a file, a folder of manifests, - for standard input, or one of
    these in a git revision, such as HEAD~1:istio/overlays/canary. Without BEFORE, or with -k or -f, the
    running mesh is compared with what `apply` would make of it.

    Exit status: 0 if there is no difference, 1 if there is one, 2 for wrong usage or input.
    """
    try:
        if since is not None:
            before, after = _since(since, sides, sources)
        elif len(sides) + sources.has_objects == 1 or (not sides and sources):
            before, after = _applied(sides, sources, state_folder)
        else:
            before, after = _both(sides, sources)
    except LocalmeshError as error:
        error.exit_status = 2  # 1 means a difference, also if no mesh is running
        raise
    from localmesh.diff.meshes import compare
    from localmesh.diff.reports import REPORTS

    difference = compare(before, after)
    click.echo(REPORTS[form](difference))
    return _DIFFERENT if difference else 0


def _since(revision: str, sides: tuple[str, ...], given: Sources) -> Pair:
    """Paths as they were in a revision, and as they are; one that does not exist is empty."""
    from localmesh.diff.sides import load_paths, load_revision

    paths = [*map(Path, sides), *given.kustomizations, *given.files]
    namespace, settings = given.namespace, given.mesh_config_text()
    if not paths:
        raise click.UsageError("--since compares paths: name a kustomization, a file or a folder")
    before, after = _at_once(
        lambda: load_revision(revision, paths, namespace, settings),
        lambda: load_paths(filter(Path.exists, paths), namespace, settings),
    )
    if not (before.loaded.resources or after.loaded.resources):
        names = ", ".join(map(str, paths))
        raise click.UsageError(f"{names}: no manifests, neither now nor in revision {revision}")
    return before.loaded, after.loaded


def _both(sides: tuple[str, ...], given: Sources) -> Pair:
    if len(sides) != 2 or given.has_objects:
        raise click.UsageError("give two of: kustomization, file, folder, REVISION:PATH; or one, or -k or -f")
    if sides == ("-", "-"):
        raise click.UsageError("standard input can be only one of both")
    from localmesh.diff.sides import load_side

    settings = given.mesh_config_text()
    before, after = _at_once(*(partial(load_side, side, given.namespace, settings) for side in sides))
    return before.loaded, after.loaded


def _at_once(*loads: Callable[[], Side]) -> list[Side]:
    """Both sides; most of the time is that of kustomize, which runs for both at once."""
    with ThreadPoolExecutor(max_workers=len(loads)) as pool:
        running = [pool.submit(load) for load in loads]
        import localmesh.diff.meshes  # noqa: F401 - imported meanwhile

        return [load.result() for load in running]


def _applied(sides: tuple[str, ...], given: Sources, state_folder: Path | None) -> Pair:
    """The running mesh, and what `apply` would make of it: a kustomization replaces, files are added."""
    from localmesh.diff.sides import Side, load_side
    from localmesh.manifests import LoadResult, load_text
    from localmesh.runtime.changes import carry_over, key, merged, with_mesh_settings

    mesh = client.connect(state_folder)
    before = load_text(mesh.get("/mesh/manifests")["text"], mesh.url)
    if not sides:
        side = Side(given.objects(), is_whole=bool(given.kustomizations))
    else:
        side = load_side(sides[0], given.namespace, given.mesh_config_text())
    after = side.loaded
    if side.is_whole:
        after = replace(after, resources=with_mesh_settings(before.resources, after.resources))
    else:
        resources = merged(before.resources, after.resources)
        after = LoadResult(tuple(resources), tuple(merged(before.ignored, after.ignored)))
    current = {key(resource): resource for resource in before.resources}
    return before, LoadResult(tuple(carry_over(current, after.resources).values()), after.ignored)
