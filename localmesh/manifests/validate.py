"""Everything that is checked in a single object: its kind, its schema, the rules of the kind, our support."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from localmesh.kinds import (
    FOREIGN_GROUPS,
    Kind,
    Status,
    belongs_to_other_project,
    kinds_named,
    served_kind,
    similar_kind,
)
from localmesh.kinds.rules.metadata import labels_and_annotations, names
from localmesh.manifests.mesh_config import has_mesh_settings, mesh_settings
from localmesh.manifests.resources import Resource
from localmesh.manifests.schema import schema_problems
from localmesh.manifests.support import support_problems
from localmesh.problems import FieldPath, Problem
from localmesh.problems.codes import invalid, syntax, unsupported
from localmesh.problems.fields import Field, quoted


def problems_of(item: Resource) -> Iterator[Problem]:
    """Everything that is wrong with an object by itself, and what to warn of."""
    kind = served_kind(item.api_version, item.kind)
    yield from _kind_problems(item, kind)
    if kind is None or not kind.has_schema:
        return
    yield from _name_problems(item)
    schema_errors = list(schema_problems(item.body, f"{item.api_version}/{item.kind}", item.place))
    yield from schema_errors
    semantic_errors = list(_unless_explained(_rule_problems(item.root, kind), schema_errors))
    yield from semantic_errors
    if has_mesh_settings(item):
        yield from mesh_settings(item).problems
    if kind.status is Status.TRANSLATED:
        yield from _unless_explained(support_problems(item.root, kind), schema_errors + semantic_errors)


def _unless_explained(problems: Iterable[Problem], causes: list[Problem]) -> Iterator[Problem]:
    """Problems other than those that are only the consequence of another.

    A misspelled `http` also makes a VirtualService without routes: the first is the cause, the second noise.
    """
    for problem in problems:
        if not any(problem.path.contains(cause.path) for cause in causes):
            yield problem


def _rule_problems(root: Field, kind: Kind) -> Iterator[Problem]:
    yield from names(root, kind.name_format)
    yield from labels_and_annotations(root)
    yield from chain.from_iterable(rule(root) for rule in kind.rules)


def _name_problems(item: Resource) -> Iterator[Problem]:
    """Objects must be named: kubectl apply does not accept generated names."""
    if not item.name and isinstance(item.body.get("metadata", {}), dict):
        yield invalid.MISSING_FIELD.at(
            item.place, FieldPath("metadata"), name="name", why="", remedy="add metadata.name"
        )


# -- kinds -------------------------------------------------------------------------------------------


def _kind_problems(item: Resource, kind: Kind | None) -> Iterator[Problem]:
    """Why an object of this kind cannot be used; nothing if it can."""
    reason = FOREIGN_GROUPS.get(item.group)
    if kind is not None:
        if kind.status is Status.UNSUPPORTED:
            yield _unsupported(item, f"; {kind.reason}" if kind.reason else " yet")
    elif reason is not None:
        yield _unsupported(item, f"; {reason}")
    elif not belongs_to_other_project(item.api_version, item.kind):
        yield _removed_version(item) or _unknown_kind(item)


def _unsupported(item: Resource, reason: str) -> Problem:
    return unsupported.KIND_NOT_SUPPORTED.at(
        item.place, kind=item.kind, group=item.api_version, reason=reason
    )


def _removed_version(item: Resource) -> Problem | None:
    for kind in kinds_named(item.kind):
        if item.api_version in kind.removed:
            return syntax.REMOVED_VERSION.at(
                item.place,
                found=quoted(item.api_version),
                kind=item.kind,
                release=kind.removed[item.api_version],
                current=kind.api_versions[0],
            )
    return None


def _unknown_kind(item: Resource) -> Problem:
    if item.kind == "Kustomization":
        remedy = "pass its folder with -k instead"
    elif kinds := kinds_named(item.kind):
        remedy = f"write apiVersion: {kinds[0].api_versions[0]}"
    elif similar := similar_kind(item.api_version, item.kind):
        remedy = f"write kind: {similar}"
    else:
        remedy = "remove the object for local runs"
    return syntax.UNKNOWN_KIND.at(
        item.place, found=quoted(item.kind), api_version=quoted(item.api_version), remedy=remedy
    )
