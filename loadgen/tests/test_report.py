"""The text of a report, word for word."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree

import jsonschema
import pytest
from rich.console import Console

from loadgen.http1 import Loss, Request, Target
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import Quality
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import MeshLocation
from loadgen.proofs.common.proof import Result
from loadgen.reporting.junit import junit
from loadgen.reporting.progress import Bar
from loadgen.reporting.report import print_legend, print_result
from loadgen.reporting.report_json import document
from loadgen.statistics.design import design
from loadgen.statistics.judge import Cause, Check, Count, failed, inconclusive, judge, passed
from loadgen.tests.commands import REPORT_SCHEMA

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GATEWAY = Target("127.0.0.1", 8080)
PLAN = LoadPlan((Request("POST", "/sentiment"),), 2700, 112, 18.0)
TABLE = """\
canary  FAIL  that it holds

  configured  v1 80 %, v2 20 %
  sent        2,700 × POST http://127.0.0.1:8080/sentiment, 112 at once, 9.6 s
  answers     2,350 × 200, 349 × 502, 1 lost (connection reset by the peer)
  quality     99th percentiles: 1.2 ms behind schedule (bound 125 ms), control answers 18 ms (bound 250 ms)

  check             verdict       observed     interval    expected  count
  share of v2       PASS            20.6 %  17.7–23.8 %  20 % ± 5.0  556 of 2,700, 1 unknown
  failures of v2    PASS            61.4 %  53.2–69.2 %  65 % ±14.5  350 of 570
  only v2 fails     FAIL             0.1 %  0.003–0.6 %   0 % + 0.2  3 of 2,700
  failures overall  INCONCLUSIVE         –            –           –  –

  only v2 fails     expected 0 %, but the true share is in 0.003–0.6 %; 3 name v1
  failures overall  unsupported-config: retries; apply the overlay of the scenario, unedited
"""
HOPS = (Hop("logic", "v2", "logic-v2-1"),)


def measurement(*, interrupted: bool = False) -> Measurement:
    """2,699 answers and a loss."""
    good = [Observation(0, 200, HOPS, 0.01)] * 2350
    bad = [Observation(0, 502, HOPS, 0.01)] * 349
    return Measurement([*good, *bad, Observation(0, None, (), 18.0, Loss.RESET)], 9.63, interrupted)


def printed(
    *checks: Check, measured: Measurement | None = None, colour: bool = False, quality: Quality | None = None
) -> str:
    """The report of one scenario with these checks."""
    measurements = () if measured is None else ((PLAN, measured),)
    result = Result(
        "canary", "that it holds", GATEWAY, checks, {"configured": "v1 80 %, v2 20 %"}, measurements, quality
    )
    file = io.StringIO()
    print_result(Console(file=file, width=110, force_terminal=colour, highlight=False, markup=False), result)
    return file.getvalue()


def test_every_check_has_a_line_with_its_figures():
    """Verdict, shares, interval, minimum detectable effect, counts; reasons below, with their causes."""
    report = printed(
        judge("share of v2", "20 %", design(0.2, 2700), Count(556, 2700, 1)),
        judge("failures of v2", "65 %", design(0.65, 453), Count(350, 570)),
        judge("only v2 fails", "none", design(0.0, 2700), Count(3, 2700), note="3 name v1"),
        inconclusive("failures overall", "13 %", Cause.UNSUPPORTED_CONFIG, "retries"),
        measured=measurement(),
        quality=Quality(0.0012, 0.018),
    )

    assert [line.rstrip() for line in report.splitlines()] == [*TABLE.splitlines(), ""]


def test_a_check_without_figures_is_its_reason():
    """There is no table of dashes."""
    assert printed(failed("configured", "a split", "there is none; apply it")).split("\n") == [
        "canary  FAIL  that it holds",
        "",
        "  configured  v1 80 %, v2 20 %",
        "",
        "  configured  there is none; apply it",
        "",
        "",
    ]


def test_a_measurement_that_was_ended_early_says_so():
    """With how far it came."""
    report = printed(
        judge("share", "", design(0.2, 2700), Count(5, 27)), measured=measurement(interrupted=True)
    )

    assert "sent        ended early after 2,700 of 2,700 × POST" in report
    assert "too little data (27 of 2,700 planned)" in report


def test_verdicts_are_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch):
    """Green, red and yellow; with NO_COLOR no colour even there."""
    check = failed("configured", "a split", "there is none")

    assert "\x1b[1;31mFAIL" in printed(check, colour=True)
    assert "\x1b" not in printed(check)

    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in printed(check, colour=True)


def test_the_legend_explains_the_columns():
    """With the confidence and the power in use, as sentences."""
    file = io.StringIO()

    print_legend(Console(file=file, width=200))

    assert file.getvalue().splitlines() == [
        "  interval: with 99.99 % confidence the true share lies in it; "
        "a check FAILs if the expected share is not in it",
        "  ± 5.0, for example: a mesh 5 percentage points off FAILs in 99 of 100 runs; "
        "a smaller deviation may pass",
    ]


def test_a_terminal_shows_a_bar_while_requests_are_under_way():
    """What is sent stays; the bar goes when all is there."""
    file = io.StringIO()
    bar = Bar("canary", Console(file=file, force_terminal=True, width=100, highlight=False))

    bar.begin("2,700 × POST /sentiment", 2700)
    bar.progress(1350)
    bar.end()

    assert "canary: sending 2,700 × POST /sentiment" in file.getvalue()
    assert "1350/2700" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")


def result(*checks: Check) -> Result:
    return Result("canary", "that it holds", GATEWAY, checks)


def test_programs_get_the_cause_of_an_inconclusive_check():
    """In the JSON report, which fits its schema, and as the type of JUnit's error; a FAIL has none."""
    busy = inconclusive("slow refusals", "none", Cause.BUSY, "the sender was late")
    checks = (busy, failed("configured", "a split", "there is none"), passed("it fails", "3 failures"))
    mesh = MeshLocation("http://127.0.0.1:7080")

    report = document([result(*checks)], mesh=mesh, gateway="http://127.0.0.1:8080", started=NOW)
    cases = ElementTree.fromstring(junit([result(*checks)], mesh=mesh)).iter("testcase")

    jsonschema.validate(report, REPORT_SCHEMA)
    assert [check["cause"] for check in report["scenarios"][0]["checks"]] == ["busy", None, None]
    assert [[(part.tag, part.get("type")) for part in case] for case in cases] == [
        [("error", "busy")],
        [("failure", "FAIL")],
        [],
    ]


def test_the_schema_knows_every_cause():
    """And an INCONCLUSIVE check without one does not fit it, nor does a PASS with one."""
    check = {"name": "a", "expected": "b", "reason": "c", "measured": None}
    schema = {**REPORT_SCHEMA, **REPORT_SCHEMA["$defs"]["check"], "required": []}

    assert REPORT_SCHEMA["$defs"]["cause"]["enum"] == list(Cause)
    for verdict, cause in (("INCONCLUSIVE", None), ("PASS", "busy"), ("FAIL", "busy"), ("INCONCLUSIVE", "x")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**check, "verdict": verdict, "cause": cause}, schema)


def test_the_report_has_the_quality_with_its_bounds():
    """For programs, too."""
    made = replace(result(passed("it fails", "3")), quality=Quality(0.0012, 0.018, 0.375, 7))

    report = document([made], mesh=MeshLocation("a"), gateway="b", started=NOW)

    jsonschema.validate(report, REPORT_SCHEMA)
    assert report["scenarios"][0]["quality"] == {
        "lateness_seconds": 0.0012,
        "lateness_bound_seconds": pytest.approx(0.1875),
        "control_seconds": 0.018,
        "control_bound_seconds": 0.375,
        "foreign_requests": 7,
    }
