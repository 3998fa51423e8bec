"""Kinds: one record for each kind, in the file that is named after it.

To add a kind:

1. Add a file here with its record; the registry finds it. Rules that several kinds share are in `rules/`.
2. If no schema is shipped for it, run `scripts/generate_schemas.py`.
3. Add a module to `catalog`, and one to `translate` if need be, for what its objects become.
4. Add case files to `localmesh/tests/manifests/cases`, and the kind to `tests/kinds/test_fields.py` there.
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
