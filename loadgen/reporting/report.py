"""Verdicts for people: one block for each scenario, one line for each check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.reporting.check_table import STYLES, check_table
from loadgen.reporting.console import show
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import CONFIDENCE, POWER
from loadgen.statistics.judge import Check, Verdict, overall

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from loadgen.meshstate import MeshLocation
    from loadgen.proofs.common.proof import Proof, Result

_INDENT = 2


def print_scenarios(console: Console, proofs: Iterable[Proof]) -> None:
    """The scenarios there are proofs for, with what each proves."""
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for proof in proofs:
        table.add_row(proof.scenario, proof.proves)
    show(console, table)


def print_mesh(console: Console, mesh: MeshLocation) -> None:
    """Which mesh is going to be judged, in one line however long it is."""
    console.print(_line(("mesh  ", "bold"), str(mesh)), soft_wrap=True)
    console.print()


def print_result(console: Console, result: Result) -> None:
    """One scenario: its verdict, what was in force and sent, every check with its figures, and reasons."""
    verdict = (str(result.verdict), STYLES[result.verdict])
    blocks = [_line((f"{result.scenario}  ", "bold"), verdict, f"  {result.proves}"), _facts(result)]
    if len(result.checks) > 1 or any(check.measured for check in result.checks):
        blocks.append(_indented(check_table(result.checks, console, console.width - _INDENT)))
    blocks += [_reasons(result.checks)] if any(check.reason for check in result.checks) else []
    show(console, *(block for block in blocks if block is not None))
    console.print()


def print_legend(console: Console) -> None:
    """How to read the columns of the checks, one sentence for each."""
    text = (
        f"interval: with {percent(CONFIDENCE)} confidence the true share lies in it; "
        "a check FAILs if what is wanted lies outside\n"
        f"± 5.0, for example: a mesh 5 percentage points off FAILs in {100 * POWER:g} of 100 runs; "
        "a smaller error may pass"
    )
    show(console, _indented(_line((text, "dim"))))


def print_summary(console: Console, results: Sequence[Result]) -> None:
    """One line for each scenario, and one for all: how it ended, how many checks passed, how long it took."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("scenario", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for heading in ("checks passed", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        _add_outcome(table, result.scenario, result.verdict, result.checks, result.seconds)
    checks = [check for result in results for check in result.checks]
    seconds = sum(result.seconds for result in results)
    _add_outcome(table, f"all {len(results)}", overall(each.verdict for each in results), checks, seconds)
    console.print()
    show(console, _indented(table))


def _add_outcome(table: Table, name: str, verdict: Verdict, checks: Sequence[Check], seconds: float) -> None:
    passed = sum(check.verdict is Verdict.PASS for check in checks)
    said = _line((str(verdict), STYLES[verdict]))
    table.add_row(name, said, f"{passed} of {len(checks)}", f"{seconds:.1f}")


def facts(result: Result) -> dict[str, str]:
    """What a reader needs beside the checks: what the proof noted, and what was sent and came back."""
    noted = dict(result.facts)
    for load_plan, measurement in result.measurements:
        sent, came = _headings(load_plan.purpose)
        early = f"ended early after {len(measurement):,} of " if measurement.interrupted else ""
        noted[sent] = f"{early}{load_plan.described(result.gateway, measurement.seconds)}"
        answers = [f"{count:,} × {status}" for status, count in measurement.statuses.items()]
        lost = [f"{count:,} lost ({loss.meaning})" for loss, count in sorted(measurement.losses.items())]
        noted[came] = ", ".join(answers + lost) or "none"
    return noted


def _headings(purpose: str) -> tuple[str, str]:
    return (f"sent {purpose}", f"answers {purpose}") if purpose else ("sent", "answers")


def _facts(result: Result) -> RenderableType | None:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for heading, sentence in facts(result).items():
        table.add_row(heading, sentence)
    return _indented(table) if table.row_count else None


def _reasons(checks: Sequence[Check]) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        if check.reason:
            table.add_row(_line((check.name, STYLES[check.verdict])), check.reason)
    return _indented(table)


def _line(*parts: str | tuple[str, str]) -> Text:
    from rich.text import Text

    return Text.assemble(*parts)


def _indented(block: RenderableType) -> RenderableType:
    from rich.padding import Padding

    return Padding(block, (0, 0, 0, _INDENT), expand=False)
