"""The commands for objects of the running mesh, in kubectl's words: get, delete."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localmesh.cli import client
from localmesh.cli.inspect import applied_text, table
from localmesh.cli.sources import ALONE, WARNINGS_SHOWN, Sources, required, source_options, state_option

if TYPE_CHECKING:
    from localmesh.kinds import Kind

Json = dict[str, Any]

_ALL = "all"


@click.command()
@click.argument("kind", default="")
@click.argument("name", default="")
@state_option
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table")
def get(kind: str, name: str, state_folder: Path, output: str) -> None:
    """List the objects in force: all of Istio, those of a KIND such as vs or virtualservices, or `all`."""
    wanted = _kind(kind)
    text = client.get(client.url_of(state_folder), "/mesh/manifests")["text"]
    found = [json.loads(each) for each in text.split("\n---\n") if each]
    every = kind == _ALL
    chosen = sorted((each for each in found if _is_wanted(each, wanted, name, every_group=every)), key=_key)
    if not chosen:
        click.echo(f"nothing of the kind is in force: {' '.join(filter(None, (kind, name)))}", err=True)
    elif output == "table":
        click.echo(table(["KIND", "NAMESPACE", "NAME"], [_key(each) for each in chosen]))
    else:
        click.echo(_written(chosen, output), nl=False)


@click.command(context_settings=ALONE)
@source_options
@state_option
def delete(kustomizations: tuple[Path, ...], files: tuple[Path, ...], state_folder: Path) -> None:
    """Take the objects that the manifests name out of the running mesh; the rest stays as it is.

    As with kubectl only their kinds and names count, and what is not there ends with status 1.
    """
    sources = required(Sources(kustomizations, files))
    url = client.url_of(state_folder)
    order = sources.ordered(strict=False, elsewhere=client.is_named()) | {"delete": True}
    order.pop(WARNINGS_SHOWN, None)
    applied = client.post(url, "/mesh/apply", order)
    for warning in applied["warnings"]:
        click.echo(f"{warning}\n", err=True)
    click.echo(applied_text(applied))
    for subject in applied["absent"]:
        click.echo(f"localmesh: {subject} is not in force", err=True)
    sys.exit(1 if applied["absent"] else 0)


def _kind(word: str) -> Kind | None:
    """The kind that a word means, None for a choice of kinds. Raises click.UsageError."""
    from localmesh.kinds import kinds_by_word

    if word in ("", _ALL):
        return None
    if word.lower() in ("po", "pod", "pods"):
        raise click.UsageError("pods are made by Deployments: `localmesh status` shows them")
    kinds = kinds_by_word()
    if word.lower() not in kinds:
        short_names = ", ".join(sorted({name for kind in kinds.values() for name in kind.short_names}))
        raise click.UsageError(
            f'"{word}" is not a kind such as virtualservices; short names are {short_names}'
        )
    return kinds[word.lower()]


def _is_wanted(item: Json, kind: Kind | None, name: str, *, every_group: bool) -> bool:
    from localmesh.kinds import group_of

    group = group_of(item["apiVersion"])
    if name and item["metadata"]["name"] != name:
        return False
    if kind is not None:
        return (group, item["kind"]) == (kind.group, kind.name)
    return every_group or group.endswith(".istio.io")


def _key(each: Json) -> tuple[str, str, str]:
    metadata: Mapping[str, str] = each["metadata"]
    return str(each["kind"]), metadata.get("namespace", ""), metadata["name"]


def _written(found: Iterable[Json], output: str) -> str:
    import yaml

    if output == "yaml":
        return yaml.safe_dump_all(found, sort_keys=False, allow_unicode=True)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(found)}, indent=2) + "\n"
