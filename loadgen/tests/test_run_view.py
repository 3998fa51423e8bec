"""What people see of a run while it lasts and when it is over."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from loadgen.http1 import Exchange, Limits, Loss, Request, Target
from loadgen.measurement.histogram import histogram
from loadgen.measurement.pacing import Traffic
from loadgen.run.recorder import MOST_DISTINCT, Recorder, Window
from loadgen.run.summary import Summary
from loadgen.run.view import final_table, latency_line, live_view, progress_line

MILLISECOND = 1_000_000


def shown(table: object) -> str:
    """A table as text."""
    file = io.StringIO()
    Console(file=file, width=110).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def answered(status: int, milliseconds: int, served_by: str = "") -> Exchange:
    """An exchange that ended with an answer."""
    head = f"HTTP/1.1 {status} -\r\n" + (f"served-by: {served_by}\r\n" if served_by else "") + "\r\n"
    return Exchange(b"", 0, status=status, head=head.encode(), ended=milliseconds * MILLISECOND)


def recorder(*exchanges: Exchange) -> Recorder:
    """A recorder of these exchanges."""
    filled = Recorder()
    for exchange in exchanges:
        filled.ended(exchange)
    return filled


def window(recorder: Recorder, seconds: float) -> Window:
    """The window of a recorder after some seconds."""
    made = Window(recorder)
    made.update(seconds)
    return made


def test_the_live_view_before_the_first_answer():
    """Missing data is named as such."""
    assert shown(live_view(window(Recorder(), 0.5), 3, 0.5, "of 30 s")) == (
        " running   0.5 s of 30 s\n requests  3 sent, 0 answered (0.0/s), none ended yet\n latency   no data"
    )


def test_the_live_view_shows_the_last_seconds_beside_the_whole_run():
    """After v2 has replaced v1, the recent shares say so; those of the whole run are still mixed."""
    seen = recorder(
        answered(200, 5, "webapp/v1/a, logic/v1/b"),
        answered(200, 5, "webapp/v1/a, logic/v1/b2"),
    )
    recent = Window(seen)
    recent.update(3.0)
    seen.ended(answered(502, 20, "webapp/v1/a, logic/v2/c"))
    seen.ended(Exchange(b"", 0, ended=10_000 * MILLISECOND, loss=Loss.TIMEOUT))
    recent.update(8.0)

    assert shown(live_view(recent, 5, 8.0, "of 30 s")) == (
        " running   8.0 s of 30 s\n"
        " requests  5 sent, 3 answered (0.4/s), 50.0 % good (status below 400)\n"
        " latency   p50 5 ms · max 10 s\n"
        "                                               all           last 5 s\n"
        " answers    200                                  2   66.7 %         0    0.0 %\n"
        "            502                                  1   33.3 %         1  100.0 %\n"
        " lost       timeout (no whole answer in time)    1  100.0 %         1  100.0 %\n"
        " served by  logic v1                             2   66.7 %         0    0.0 %\n"
        "            logic v2                             1   33.3 %         1  100.0 %\n"
        "            webapp v1                            3  100.0 %         1  100.0 %"
    )


def test_the_window_forgets_what_is_older():
    """It reaches back to the last copy that is at least five seconds old."""
    seen = Recorder()
    recent = Window(seen)
    for second in range(1, 31):
        seen.ended(answered(200, 5))
        recent.update(float(second))

    assert (recent.seconds, recent.counts.answered, seen.answered) == (5.0, 5, 30)


def test_the_progress_line():
    """With the rate and the shares of the last seconds."""
    seen = recorder(answered(200, 5, "logic/v1/b"), answered(502, 5, "logic/v2/b"))

    assert progress_line(window(seen, 5.0), 5.0) == (
        "5 s: 0.4 answers/s in the last 5 s: logic v1 50.0 % · logic v2 50.0 % · 200 50.0 % · 502 50.0 %"
    )
    assert (
        progress_line(window(Recorder(), 5.0), 5.0) == "5 s: 0.0 answers/s in the last 5 s: no request ended"
    )


def test_the_number_of_distinct_served_by_values_is_limited():
    """A target that sends a new value with each answer cannot fill the memory."""
    seen = recorder(*(answered(200, 1, f"a/v1/{number}") for number in range(MOST_DISTINCT + 50)))

    assert seen.answered == MOST_DISTINCT + 50
    assert len(seen.served_by) == MOST_DISTINCT


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (1, ["max"]),
        (40, ["p50", "p90", "max"]),
        (99, ["p50", "p90", "max"]),
        (100, ["p50", "p90", "p99", "max"]),
        (1000, ["p50", "p90", "p99", "p99.9", "max"]),
    ],
)
def test_a_percentile_of_few_values_is_not_shown(count: int, shown: list[str]):
    """The 99th percentile of 40 values is their maximum, which is already shown."""
    line = latency_line(histogram(range(count)))

    assert re.findall(r"p[\d.]+|max", line) == shown


@pytest.mark.parametrize(
    ("late", "latency", "line"),
    [
        ([1] * 100, 1, "on schedule: 99 % at most 1 ms late, the latest 1 ms"),
        ([1] * 39 + [13], 3, "on schedule: the latest 13 ms late"),
        ([0] * 95 + [20] * 5, 100, "on schedule: 99 % at most 20 ms late, the latest 20 ms"),
        ([0] * 95 + [50] * 5, 100, "behind schedule: 1 % of the requests were sent 49.9 ms late or later, "),
        ([50] * 40, 100, "behind schedule: 50 % of the requests were sent 50 ms late or later, "),
    ],
    ids=["idle", "one of few", "small against the latency", "one in a hundred", "half of them"],
)
def test_the_table_says_whether_the_sending_machine_kept_up(late: list[int], latency: int, line: str):
    """Delays of the sending machine are reported if they affect the latency."""
    summary = Summary(
        Target("a.example", 80),
        Request(),
        Traffic((b"",), Limits(9), seconds=2, rate=1000),
        recorder(*(answered(200, latency) for _ in late)),
        histogram([milliseconds * MILLISECOND for milliseconds in late]),
        issued=100,
        seconds=2.0,
        interrupted=True,
    )

    lines = shown(final_table(summary)).splitlines()
    (sending,) = (number for number, line in enumerate(lines) if line.startswith(" sending"))
    text = " ".join(line[11:] for line in lines[sending:])

    assert lines[1] == (
        " load      1,000 requests/s on schedule (open loop), at most 9 connections; ended early after 2.0 s"
    )
    assert text.startswith(line)
    assert ("Lower --rate" in text) == text.startswith("behind schedule")
