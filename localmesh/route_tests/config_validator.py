"""Reads the cases of istio-config-validator (github.com/getyourguide/istio-config-validator).

Its cases name no source: a host that a VirtualService binds to a gateway is called there, any other from a
sidecar. A field of `route` that a case does not name is not compared, and hosts are compared by their full
names; `redirect`, `rewrite`, `fault`, `headers` and `delegate` must be as they are written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.explain.request import InvalidUrlError, Request
from localmesh.manifests import Document
from localmesh.problems import FieldPath
from localmesh.route_tests.case_schema import CaseFileError, CaseLines, schema_errors
from localmesh.route_tests.cases import ANY_SOURCE, Case, CaseFile

KEY = "testCases"
"""The field that distinguishes such a file."""
_WRITTEN = ("route", "redirect", "rewrite", "fault", "headers", "delegate")


def read(document: Document) -> CaseFile:
    """The cases of one document. Raises CaseFileError with every problem."""
    lines = CaseLines(document)
    if problems := schema_errors(document.body, "ConfigValidatorFile", lines, FieldPath()):
        raise CaseFileError(problems)
    cases: list[Case] = []
    for index, written in enumerate(document.body[KEY]):
        at = FieldPath(KEY, index)
        try:
            cases += _cases(written, document.file, lines.line(at))
        except InvalidUrlError as error:
            raise CaseFileError([lines.message(FieldPath(*at, "request"), str(error))]) from None
    return CaseFile(document.file, tuple(cases))


def _cases(written: Mapping[str, Any], file: str, line: int) -> Iterator[Case]:
    """A case for every combination of authorities, methods and URIs."""
    request = written["request"]
    combinations = list(itertools.product(request["uri"], request["authority"], request["method"]))
    for uri, authority, method in combinations:
        name = written.get("description", "")
        if len(combinations) > 1 or not name:
            name = ": ".join(filter(None, (name, f"{method} {authority}{uri}")))
        yield Case(
            name,
            Request.to(
                f"http://{authority}{uri}",
                method=method,
                headers=request.get("headers") or {},
                source=ANY_SOURCE,
            ),
            expect={},
            file=file,
            line=line,
            written={field: written[field] for field in _WRITTEN if field in written},
            negated=not written.get("wantMatch", False),
        )
