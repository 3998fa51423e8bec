"""`make bench`: one table at the end, whatever happens on the way."""

from __future__ import annotations

import re
import sys
import time
from types import ModuleType

import pytest

from bench import __main__ as bench
from bench.rows import Machine, Row, at_most, table


def benchmark(monkeypatch: pytest.MonkeyPatch, name: str, measure: object) -> None:
    """Replaces the benchmark of that name."""
    module = ModuleType(f"bench.{name}")
    module.measure = measure  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"bench.{name}", module)


def fail(error: BaseException) -> object:
    """A benchmark that ends in this error."""

    def measure() -> list[Row]:
        raise error

    return measure


@pytest.mark.parametrize("error", [ValueError("no mesh\nlog"), SystemExit("no mesh"), OSError("no mesh")])
def test_a_benchmark_that_fails_is_a_row(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says why, in one line, and the others are measured."""
    benchmark(monkeypatch, "startup", fail(error))
    benchmark(monkeypatch, "demo", lambda: [at_most("the demo", 3, 2, "s")])
    monkeypatch.setattr(Machine, "state", lambda _: "machine: quiet")

    assert bench.main(["startup", "demo"]) == 0

    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.endswith(
        "machine: quiet\n"
        "what      now  bar           peer  ratio\n"
        "startup   not measured: no mesh\n"
        "the demo  3 s  ≤ 2 s MISSED\n"
    )


def test_an_interruption_ends_in_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C leaves what has been measured, and exit status 130."""
    benchmark(monkeypatch, "startup", lambda: [Row("first", "1 s")])
    benchmark(monkeypatch, "demo", fail(KeyboardInterrupt()))
    monkeypatch.setattr(Machine, "state", lambda _: "machine: quiet")

    assert bench.main(["startup", "demo", "mtls"]) == 130

    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()[-2:]] == ["first", "demo"]


def test_what_takes_too_long_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """One benchmark is interrupted at its limit, and after the time for all, none is started."""
    benchmark(monkeypatch, "startup", lambda: time.sleep(60))
    benchmark(monkeypatch, "demo", lambda: [Row("the demo", "3 s")])
    monkeypatch.setattr(bench, "LIMIT_SECONDS", 0.01)

    one, _ = bench.run(["startup", "demo"])
    none, _ = bench.run(["demo"], total_seconds=0)

    assert [row.now for row in one] == ["not measured: it takes more than 0 s", "3 s"]
    assert [row.now for row in none] == ["not measured: the others took 600 s; try `make bench BENCH=demo`"]


def test_the_machine_is_busy_if_other_programs_used_it() -> None:
    """Their share of all processors; the CPU time of the benchmarks does not count."""
    now = Machine.now()

    quiet = Machine(now.total - 10, now.busy - 4, now.own - 4).state()
    busy = Machine(now.total - 10, now.busy - 9, now.own - 4).state()

    assert re.search(r"processors, [01] % of them used by other programs: quiet$", quiet)
    assert re.search(r"processors, (49|50) % of them used by other programs: busy: ", busy)


def test_an_unknown_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists the benchmarks."""
    assert bench.main(["startup", "speed"]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "there is no benchmark speed; there are:"
    assert [line.split()[0] for line in lines[1:]] == [*bench.BENCHES, *bench.LONG]


@pytest.mark.parametrize("name", [*bench.BENCHES, *bench.LONG])
def test_every_benchmark_can_be_imported(name: str) -> None:
    """A benchmark runs seldom: what it imports has to be there."""
    module = __import__(f"bench.{name}", fromlist=["measure"])

    assert callable(module.measure)


def test_a_peer_and_a_ratio_are_columns() -> None:
    """Each column is as wide as its widest cell."""
    rows = [Row("loadgen", "12,000", "≥ 2 × hey", True, "hey 5,000", "2.40 ×"), Row("x", "1")]

    assert table(rows).splitlines() == [
        "what     now     bar        peer       ratio",
        "loadgen  12,000  ≥ 2 × hey  hey 5,000  2.40 ×",
        "x        1",
    ]
