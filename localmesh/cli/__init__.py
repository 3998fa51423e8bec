"""The command line; its commands are in `commands`."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The exit status after Ctrl-C, as a shell has it."""


def main() -> None:
    """The entry point; whatever takes time is imported where a Ctrl-C is no traceback any more."""
    try:
        from localmesh.cli.commands import run

        status = run()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)
