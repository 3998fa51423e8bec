"""Kinds: one record for each kind, in the file that is named after it; `rules/` has what several share.

docs/contributing/kind.md says how to add one.
"""

from localmesh.kinds.kind import Kind, Rule, Status
from localmesh.kinds.registry import (
    FOREIGN_GROUPS,
    KINDS,
    belongs_to_other_project,
    group_of,
    kind_of,
    kinds_by_word,
    kinds_named,
    served_kind,
    similar_kind,
)

__all__ = [
    "FOREIGN_GROUPS",
    "KINDS",
    "Kind",
    "Rule",
    "Status",
    "belongs_to_other_project",
    "group_of",
    "kind_of",
    "kinds_by_word",
    "kinds_named",
    "served_kind",
    "similar_kind",
]
