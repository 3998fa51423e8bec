"""Every problem that localmesh can find in manifests.

Each code has a section in docs/errors.md with the smallest manifest that causes it, which is a test case.
To add a code, add it to the table of its range, add a file with its number to
localmesh/tests/manifests/cases, and run `make golden`.
"""

from __future__ import annotations

from collections.abc import Mapping

from localmesh.problems.codes import invalid, syntax, unsupported, warnings
from localmesh.problems.problem import Code

CODES: Mapping[str, Code] = {
    code.number: code
    for table in (syntax, invalid, warnings, unsupported)
    for code in vars(table).values()
    if isinstance(code, Code)
}
"""All codes by their number, in order."""

__all__ = ["CODES", "Code", "invalid", "syntax", "unsupported", "warnings"]
