"""Kinds: one record for each kind, in the file that is named after it.

To add a kind, add a file with its record; it is found by looking into this folder. What objects of the kind
become is the business of `catalog` and `translate`.
"""

from localmesh.kinds.kind import Kind, Rule, Status
from localmesh.kinds.registry import (
    FOREIGN_GROUPS,
    KINDS,
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
    "group_of",
    "kind_of",
    "kinds_by_word",
    "kinds_named",
    "served_kind",
    "similar_kind",
]
