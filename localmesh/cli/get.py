"""`localmesh get`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from localmesh.cli import client
from localmesh.cli.objects import Json, Reference, kind_named, matching
from localmesh.cli.options import namespace_option, state_option
from localmesh.cli.output import table

_ALL = "all"
_PODS = ("po", "pod", "pods")


@click.command()
@click.argument("kind", default="")
@click.argument("name", default="")
@namespace_option
@click.option(
    "-A", "--all-namespaces", is_flag=True, expose_value=False, help="In any namespace, as without -n."
)
@state_option
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table")
def get(kind: str, name: str, namespace: str | None, state_folder: Path | None, output: str) -> None:
    """List applied objects: those of a KIND such as vs or virtualservices, or all.

    Without a KIND, the objects of Istio's kinds. KIND/NAME is the same as KIND NAME, and several kinds are
    joined by commas.
    """
    if "/" in kind and not name:
        kind, _, name = kind.partition("/")
    mesh = client.connect(state_folder)
    objects = {Reference.of(body): body for body in mesh.objects(with_status=True)}
    chosen = sorted(_chosen(list(objects), kind, name, namespace), key=_position)
    if not chosen:
        what = " ".join(filter(None, (kind, name))) or "objects of Istio"
        where = f" in namespace {namespace}" if namespace else ""
        hint = "; `localmesh status` shows the pods of workloads" if kind.lower() in _PODS else ""
        click.echo(f"no {what} found{where}{hint}", err=True)
    elif output == "table":
        rows = [(item.kind, item.namespace, item.name) for item in chosen]
        click.echo(table(["KIND", "NAMESPACE", "NAME"], rows))
    else:
        click.echo(_document([objects[item] for item in chosen], output), nl=False)


def _chosen(objects: Sequence[Reference], kind: str, name: str, namespace: str | None) -> list[Reference]:
    if kind not in ("", _ALL):
        kinds = map(kind_named, kind.split(","))
        return [item for one in kinds for item in matching(objects, one, name, namespace)]
    return [
        item
        for item in objects
        if (kind == _ALL or item.group.endswith(".istio.io")) and namespace in (None, item.namespace)
    ]


def _position(item: Reference) -> tuple[str, str, str]:
    return item.kind, item.namespace, item.name


def _document(bodies: list[Json], output: str) -> str:
    import yaml

    if output == "yaml":
        return yaml.safe_dump_all(bodies, sort_keys=False, allow_unicode=True)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}, indent=2) + "\n"
