"""Every problem that localmesh can find in manifests.

Each code has a section in docs/errors.md with the smallest manifest that causes it, which is a test case.
docs/contributing/problem-code.md says how to add one.
"""

from __future__ import annotations

from collections.abc import Mapping

from localmesh.problems.codes import invalid, syntax, unsupported, warnings
from localmesh.problems.problem import Code

CODES: Mapping[str, Code] = {
    code.number: code
    for code in sorted(
        (
            code
            for table in (syntax, invalid, warnings, unsupported)
            for code in vars(table).values()
            if isinstance(code, Code)
        ),
        key=lambda code: code.number,
    )
}
"""All codes by their number, in the order of the numbers."""

__all__ = ["CODES", "Code", "invalid", "syntax", "unsupported", "warnings"]
