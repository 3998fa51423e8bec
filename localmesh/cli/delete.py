"""`localmesh delete`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from localmesh.cli import client
from localmesh.cli.objects import Reference, kinds_and_names, matching
from localmesh.cli.options import namespace_option, source_options, state_option
from localmesh.cli.output import changes_text


@click.command()
@click.argument("objects", nargs=-1, metavar="[KIND NAME… | KIND/NAME…]")
@source_options
@namespace_option
@state_option
def delete(
    *,
    objects: tuple[str, ...],
    kustomizations: tuple[Path, ...],
    files: tuple[Path, ...],
    namespace: str | None,
    state_folder: Path | None,
) -> None:
    """Remove objects from the running mesh, by kind and name or those that manifests contain.

    Of manifests only kind, name and namespace are read. A name that is used in several namespaces needs
    -n. The exit status is 1 if an object does not exist; the others are removed nevertheless.
    """
    from_manifests = bool(kustomizations or files)
    if bool(objects) == from_manifests:
        raise click.UsageError("name what to delete: KIND NAME, or manifests with -f FILE or -k DIR")
    mesh = client.connect(state_folder)
    existing = [Reference.of(body) for body in mesh.objects()]
    if from_manifests:
        named = list(_of_manifests(kustomizations, files, namespace))
    else:
        named = list(_of_arguments(objects, existing, namespace))
    answer = mesh.post("/mesh/apply", {"delete": [asdict(item) for item in named]})
    for warning in answer["warnings"]:
        click.echo(f"{warning}\n", err=True)
    click.echo(changes_text(answer))
    missing = [item for item in named if item not in existing]
    for item in missing:
        click.echo(f"localmesh: {item} is not applied{_hint(item, existing)}", err=True)
    sys.exit(1 if missing else 0)


def _of_arguments(
    arguments: Sequence[str], existing: Sequence[Reference], namespace: str | None
) -> Iterator[Reference]:
    for kind, name in kinds_and_names(arguments):
        candidates = matching(existing, kind, name, namespace)
        if len(candidates) > 1:
            namespaces = ", ".join(sorted(item.namespace for item in candidates))
            raise click.UsageError(f"{kind.name} {name} exists in {namespaces}: choose one with -n")
        yield candidates[0] if candidates else Reference(kind.group, kind.name, namespace or "", name)


def _of_manifests(
    kustomizations: Sequence[Path], files: Sequence[Path], namespace: str | None
) -> Iterator[Reference]:
    """What the manifests contain. As in kubectl, `namespace` is for objects that do not name one."""
    from localmesh.manifests import identities

    for item in identities(kustomizations=kustomizations, files=files, namespace=namespace or "default"):
        yield Reference(item.group, item.kind, item.namespace, item.name)


def _hint(missing: Reference, existing: Iterable[Reference]) -> str:
    """Where there is an object of the same kind and name."""
    namespaces = [
        item.namespace
        for item in existing
        if (item.group, item.kind, item.name) == (missing.group, missing.kind, missing.name)
    ]
    return f"; there is one in namespace {namespaces[0]}: add -n {namespaces[0]}" if namespaces else ""
