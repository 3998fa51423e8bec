"""Reports of cases: as text, JSON and JUnit's XML."""

from __future__ import annotations

import json as json_format
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from localmesh.explain import Reference
from localmesh.formats.junit import JunitCase, JunitFailure, junit_report
from localmesh.formats.text import counted, wrapped
from localmesh.manifests import Locator
from localmesh.route_tests.coverage import Coverage
from localmesh.route_tests.details import details, position, rule_text
from localmesh.route_tests.run import CaseResult, Run

_NARROWEST = 40
PASSED, FAILED = "PASS", "FAIL"


class Report:
    """The results of all files. `coverage_at_least` is the share of rules that cases must reach."""

    def __init__(self, runs: Sequence[Run], coverage_at_least: float | None = None) -> None:
        self.runs = runs
        self.coverage_at_least = coverage_at_least
        self.results = [(result, run) for run in runs for result in run.results]
        self.failed = [result for result, _ in self.results if not result.passed]

    @property
    def coverage(self) -> Coverage:
        """That of all manifests together."""
        return sum((run.coverage for run in self.runs), Coverage())

    @property
    def covers_enough(self) -> bool:
        """Whether cases reach as many rules as they must."""
        return self.coverage_at_least is None or self.coverage.percent >= self.coverage_at_least

    @property
    def succeeded(self) -> bool:
        """Whether all cases passed, and reach enough rules."""
        return not self.failed and self.covers_enough


def text(
    report: Report, *, quiet: bool = False, with_coverage: bool = False, width: int | None = None
) -> str:
    """A line for each case below its file, differences in full, and the coverage; `quiet`: only failures.

    With a `width` the details are wrapped, apart from the command, which should be copied.
    """
    lines: list[str] = []
    for file, results in groupby(report.results, key=lambda entry: entry[0].case.file):
        shown = [entry for entry in results if not (quiet and entry[0].passed)]
        if shown:
            lines += [file, *(line for result, run in shown for line in _case_lines(result, run, width)), ""]
    lines += [_counts(report), *_live_lines(report)]
    lines += _coverage_lines(report, with_rules=with_coverage or not report.covers_enough)
    return "\n".join(lines)


def _case_lines(result: CaseResult, run: Run, width: int | None) -> Iterator[str]:
    yield f"  {PASSED if result.passed else FAILED}  {result.case.name}"
    if not result.passed:
        yield from (f"        {part}" for line in details(result, run) for part in _wrapped(line, width))


def _wrapped(line: str, width: int | None) -> list[str]:
    if width is None or line.startswith("why:"):
        return [line]
    label = re.match(r"\S+:\s+|\s+", line)
    indent = " " * (len(label[0]) if label else 0)
    return wrapped(line, max(width, _NARROWEST) - 8, rest=indent)


def _counts(report: Report) -> str:
    total, failed = len(report.results), len(report.failed)
    return f"{counted(total, 'case')}: {total - failed:,} passed, {failed:,} failed"


def _live_lines(report: Report) -> Iterator[str]:
    """How many requests were sent, and the cases of which none were."""
    live = [(result.case, result.live) for result, _ in report.results if result.live is not None]
    if not live:
        return
    sent = [each for _, each in live if not each.not_sent]
    disagreeing = sum(bool(each.disagreements) for each in sent)
    requests = sum(each.requests for each in sent)
    yield (
        f"live: {counted(requests, 'request')} for {counted(len(sent), 'case')}, "
        f"Envoy disagrees with {disagreeing or 'none'}"
    )
    for case, each in live:
        if each.not_sent:
            yield f"  not sent: {case.name} ({each.not_sent})"


def _coverage_lines(report: Report, *, with_rules: bool) -> Iterator[str]:
    wanted = "" if report.covers_enough else f", expected at least {report.coverage_at_least:g} %"
    yield f"coverage: {_coverage_text(report.coverage)}{wanted}"
    for run in report.runs if with_rules else ():
        yield f"  {', '.join(run.files)}: {_coverage_text(run.coverage)}"
        for rule in run.coverage.missing:
            name = f' "{rule.name}"' if rule.name else ""
            yield f"    not reached: {rule_text(rule.reference)}{name}"
            yield f"                 {position(rule.reference, run.locator)}"


def _coverage_text(coverage: Coverage) -> str:
    """The share is rounded down, so that 100 % means all."""
    share = int(coverage.percent * 10) / 10
    return f"{coverage.reached:,} of {counted(len(coverage.rules), 'rule')} ({share:g} %)"


def json(report: Report) -> str:
    """`{"cases": [{"file", "line", "name", "passed", "differences", "rule"}], "coverage": {…}}`."""
    coverage = report.coverage
    content = {
        "cases": [_case_json(result, run.locator) for result, run in report.results],
        "coverage": {
            "reached": coverage.reached,
            "rules": len(coverage.rules),
            "percent": round(coverage.percent, 2),
            "missing": [
                _reference_json(rule.reference, run.locator)
                for run in report.runs
                for rule in run.coverage.missing
            ],
        },
    }
    return json_format.dumps(content, indent=2)


def _case_json(result: CaseResult, locator: Locator) -> dict[str, Any]:
    case = result.case
    return {
        "file": case.file,
        "line": case.line,
        "name": case.name,
        "passed": result.passed,
        "differences": [
            {"field": each.field, "expected": each.expected, "observed": each.observed}
            for each in result.differences
        ],
        "rule": _reference_json(result.rule, locator) if result.rule is not None else None,
        "live": asdict(result.live) if result.live is not None else None,
    }


def _reference_json(reference: Reference, locator: Locator) -> dict[str, Any]:
    place = reference.resource.place
    return {
        "kind": place.kind,
        "namespace": place.namespace,
        "name": place.name,
        "field": str(reference.path),
        "position": position(reference, locator),
    }


def junit(report: Report) -> str:
    """A test case for each case, and one for the coverage if it must reach a share."""
    return junit_report("localmesh test", "localmesh.test", _junit_cases(report))


def _junit_cases(report: Report) -> Iterable[JunitCase]:
    for result, run in report.results:
        failure = None
        if not result.passed:
            field, message = _first(result)
            failure = JunitFailure(message, field, "\n".join(details(result, run)))
        yield JunitCase(result.case.name, failure, file=result.case.file, line=result.case.line)
    if report.coverage_at_least is not None:
        summary, *rules = _coverage_lines(report, with_rules=True)
        whole = "\n".join((summary, *rules))
        covered = None if report.covers_enough else JunitFailure(summary, "coverage", whole)
        yield JunitCase("coverage", covered, output=whole)


def _first(result: CaseResult) -> tuple[str, str]:
    """The field of the first difference and what it is, or what Envoy did."""
    for difference in result.differences:
        return difference.field, (
            f"{difference.field}: expected {difference.expected}, observed {difference.observed}"
        )
    return "live", result.live.disagreements[0] if result.live else ""
