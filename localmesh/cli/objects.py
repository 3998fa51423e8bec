"""How commands name applied objects, in kubectl's words: kind, name and namespace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from localmesh.kinds import Kind

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """One object: what identifies it."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, body: Json) -> Reference:
        """What identifies an applied object."""
        group = str(body["apiVersion"]).rpartition("/")[0]
        metadata = body["metadata"]
        return cls(group, body["kind"], metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {name}"


def kind_named(word: str) -> Kind:
    """The kind that a word means: VirtualService, virtualservices or vs. Raises click.UsageError."""
    from localmesh.kinds import kinds_by_word

    kinds = kinds_by_word()
    if word.lower() not in kinds:
        short_names = ", ".join(sorted({name for kind in kinds.values() for name in kind.short_names}))
        raise click.UsageError(
            f'"{word}" is not a kind such as virtualservices; short names are {short_names}'
        )
    return kinds[word.lower()]


def kinds_and_names(arguments: Sequence[str]) -> list[tuple[Kind, str]]:
    """The objects that arguments name, as `vs web`, `vs web api` or `vs/web dr/web`.

    Raises click.UsageError.
    """
    if any("/" in argument for argument in arguments):
        pairs = [argument.partition("/") for argument in arguments]
        if not all(kind and slash and name for kind, slash, name in pairs):
            raise click.UsageError("write every object as KIND/NAME, or one KIND and then names")
        return [(kind_named(kind), name) for kind, _, name in pairs]
    if len(arguments) == 1:
        raise click.UsageError(f"the name is missing: write {arguments[0]} NAME or {arguments[0]}/NAME")
    return [(kind_named(arguments[0]), name) for name in arguments[1:]]


def matching(
    objects: Iterable[Reference], kind: Kind, name: str = "", namespace: str | None = None
) -> list[Reference]:
    """The objects of a kind, of this name and in this namespace if they are given."""
    return [
        item
        for item in objects
        if (item.group, item.kind) == (kind.group, kind.name)
        and name in ("", item.name)
        and namespace in (None, item.namespace)
    ]
