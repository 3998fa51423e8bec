"""The progress of a measurement: a bar on a terminal, else one plain line; always on standard error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadgen.reporting.console import console

if TYPE_CHECKING:
    from rich.console import Console

    from loadgen.proofs.common.proof import Listener


def listener(scenario: str) -> Listener:
    """The listener for what standard error is."""
    error = console(stderr=True)
    return Bar(scenario, error) if error.is_terminal else Line(scenario, error)


@dataclass(slots=True)
class Line:
    """One line for each measurement."""

    scenario: str
    console: Console

    def note(self, sentence: str) -> None:
        """Print it."""
        self.console.print(f"{self.scenario}: {sentence}", soft_wrap=True)

    def begin(self, sending: str, planned: int) -> None:  # noqa: ARG002 (the sentence has it)
        """Print it."""
        self.console.print(f"{self.scenario}: sending {sending}", soft_wrap=True)

    def progress(self, done: int) -> None:
        """No progress bar when output is not a terminal."""

    def end(self) -> None:
        """Print nothing."""


@dataclass(slots=True)
class Bar:
    """A bar with the rate and the time left; it disappears at the end."""

    scenario: str
    console: Console
    _progress: Any = field(default=None, init=False)

    def note(self, sentence: str) -> None:
        """Print it."""
        self.console.print(f"{self.scenario}: {sentence}", soft_wrap=True)

    def begin(self, sending: str, planned: int) -> None:
        """Print what is sent, and draw the empty bar."""
        from rich import progress

        self.console.print(f"{self.scenario}: sending {sending}", soft_wrap=True)
        self._progress = progress.Progress(
            progress.BarColumn(bar_width=40),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("about"),
            progress.TimeRemainingColumn(),
            progress.TextColumn("left"),
            console=self.console,
            transient=True,
            refresh_per_second=5,
        )
        self._progress.add_task("", total=planned)
        self._progress.start()

    def progress(self, done: int) -> None:
        """Advance the bar."""
        self._progress.update(self._progress.task_ids[0], completed=done)

    def end(self) -> None:
        """Remove the bar."""
        self._progress.stop()
