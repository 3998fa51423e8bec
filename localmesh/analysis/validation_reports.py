"""Reports of a validation: as text, JSON, JUnit's XML, and SARIF for code scanning."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterable
from typing import Any

from localmesh import __version__
from localmesh.analysis.validation import FileReport
from localmesh.formats.junit import JunitCase, JunitFailure, junit_report
from localmesh.formats.text import counted
from localmesh.problems import Problem, Severity
from localmesh.problems.codes import CODES
from localmesh.problems.problem import address_of

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def text(reports: Iterable[FileReport]) -> str:
    """Every problem as the other commands print it, and a line that counts them."""
    reports = list(reports)
    problems = [f"{problem}\n" for report in reports for problem in report.problems]
    counts = (
        counted(len(reports), "file"),
        counted(sum(report.errors for report in reports), "error"),
        counted(sum(report.warnings for report in reports), "warning"),
    )
    return "\n".join([*problems, ", ".join(counts)])


def json(reports: Iterable[FileReport]) -> str:
    """`{"files": [{"file", "problems": [{"severity", "code", "kind", …}]}]}`; an unknown line is null."""
    files = [
        {"file": report.file, "problems": [_as_json(problem) for problem in report.problems]}
        for report in reports
    ]
    return json_format.dumps({"files": files}, indent=2)


def junit(reports: Iterable[FileReport]) -> str:
    """One test case for each file, which fails if the file has errors; warnings are its output."""
    return junit_report("localmesh validate", "localmesh.validate", map(_junit_case, reports))


def _junit_case(report: FileReport) -> JunitCase:
    errors, warnings = _of(report, Severity.ERROR), _of(report, Severity.WARNING)
    details = "\n\n".join(map(str, errors))
    failure = JunitFailure(errors[0].message, errors[0].code, details) if errors else None
    return JunitCase(report.file, failure, "\n\n".join(map(str, warnings)))


def sarif(reports: Iterable[FileReport]) -> str:
    """A SARIF 2.1.0 log, which code scanning and editors read."""
    problems = [problem for report in reports for problem in report.problems]
    used = sorted({problem.code for problem in problems})
    rules = [
        {"id": code, "shortDescription": {"text": CODES[code].title}, "helpUri": address_of(code)}
        for code in used
    ]
    driver = {"name": "localmesh", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_as_sarif(problem) for problem in problems]}
    return json_format.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _as_json(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "severity": str(problem.severity),
        "code": problem.code,
        "kind": place.kind,
        "namespace": place.namespace,
        "name": place.name,
        "field": str(problem.path),
        "line": place.line,
        "message": problem.message,
        "fix": problem.fix,
        "url": address_of(problem.code),
    }


def _as_sarif(problem: Problem) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": problem.place.file}}
    if problem.place.line is not None:
        location["region"] = {"startLine": problem.place.line}
    subject = f"{problem.place}, {problem.path}" if problem.path else str(problem.place)
    return {
        "ruleId": problem.code,
        "level": str(problem.severity),
        "message": {"text": f"{subject.strip(', ')}: {problem.message}. Fix: {problem.fix}."},
        "locations": [{"physicalLocation": location}],
    }


def _of(report: FileReport, severity: Severity) -> list[Problem]:
    return [problem for problem in report.problems if problem.severity is severity]
