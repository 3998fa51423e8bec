"""Verdicts as text: one block for each scenario, one line for each check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def print_scenarios(console: Console, proofs: Iterable[Proof[Any, Any]]) -> None:
    """Print the scenarios with proofs, and what each proves."""
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for proof in proofs:
        table.add_row(proof.scenario, proof.proves)
    show(console, table)


def print_mesh(console: Console, mesh: MeshLocation) -> None:
    """Print which mesh is judged, in one line however long it is."""
    console.print(_line(("mesh  ", "bold"), str(mesh)), soft_wrap=True)
    console.print()


def print_result(console: Console, result: Result) -> None:
    """Print one scenario: verdict, configuration, requests, every check with its figures, and reasons."""
    verdict = (str(result.verdict), STYLES[result.verdict])
    blocks = [_line((f"{result.scenario}  ", "bold"), verdict, f"  {result.proves}"), _facts(result)]
    if len(result.checks) > 1 or any(check.measured for check in result.checks):
        blocks.append(_indented(check_table(result.checks, console, console.width - _INDENT)))
    blocks += [_reasons(result.checks)] if any(check.reason for check in result.checks) else []
    show(console, *(block for block in blocks if block is not None))
    console.print()


def print_legend(console: Console) -> None:
    """Explain the columns of the checks, one sentence for each."""
    text = (
        f"interval: with {percent(CONFIDENCE)} confidence the true share lies in it; "
        "a check FAILs if the expected share is not in it\n"
        f"± 5.0, for example: a mesh 5 percentage points off FAILs in {100 * POWER:g} of 100 runs; "
        "a smaller deviation may pass"
    )
    show(console, _indented(_line((text, "dim"))))


def print_summary(console: Console, results: Sequence[Result]) -> None:
    """Print one line for each scenario and one for all: verdict, checks that passed, duration."""
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
    _add_outcome(table, f"all {len(results)}", overall(result.verdict for result in results), checks, seconds)
    console.print()
    show(console, _indented(table))


def _add_outcome(table: Table, name: str, verdict: Verdict, checks: Sequence[Check], seconds: float) -> None:
    passed = sum(check.verdict is Verdict.PASS for check in checks)
    table.add_row(
        name, _line((str(verdict), STYLES[verdict])), f"{passed} of {len(checks)}", f"{seconds:.1f}"
    )


def facts(result: Result) -> dict[str, str]:
    """The facts of the proof, what was sent and answered, and the quality of the measurement."""
    lines = dict(result.facts)
    for load_plan, measurement in result.measurements:
        sent, answered = _headings(load_plan.purpose)
        early = f"ended early after {len(measurement):,} of " if measurement.interrupted else ""
        lines[sent] = f"{early}{load_plan.described(result.gateway, measurement.seconds)}"
        answers = [f"{count:,} × {status}" for status, count in measurement.statuses.items()]
        lost = [f"{count:,} lost ({loss.meaning})" for loss, count in sorted(measurement.losses.items())]
        lines[answered] = ", ".join(answers + lost) or "none"
    if result.quality is not None:
        lines["quality"] = str(result.quality)
    return lines


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
            cause = "" if check.cause is None else f"{check.cause}: "
            table.add_row(_line((check.name, STYLES[check.verdict])), cause + check.reason)
    return _indented(table)


def _line(*parts: str | tuple[str, str]) -> Text:
    from rich.text import Text

    return Text.assemble(*parts)


def _indented(block: RenderableType) -> RenderableType:
    from rich.padding import Padding

    return Padding(block, (0, 0, 0, _INDENT), expand=False)
