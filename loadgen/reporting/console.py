"""Text output: with colour on a terminal, plain in a pipe or a file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPE_WIDTH = 110


def console(*, stderr: bool = False) -> Console:
    """A console on standard output or error: no colour in a pipe or with NO_COLOR, no highlighting."""
    from rich.console import Console

    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, width=None if is_terminal else PIPE_WIDTH)


def show(to: Console, *blocks: RenderableType) -> None:
    """Print blocks with an empty line between them; in a pipe without trailing spaces."""
    for number, block in enumerate(blocks):
        if number:
            to.print()
        if to.is_terminal:
            to.print(block)
        else:
            with to.capture() as capture:
                to.print(block)
            to.out("\n".join(line.rstrip() for line in capture.get().splitlines()), highlight=False)
