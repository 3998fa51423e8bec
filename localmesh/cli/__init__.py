"""The command line: one module per command, listed in `commands`."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""The exit status after Ctrl-C, as in a shell."""


def main() -> None:
    """The entry point. Everything else is imported here, where Ctrl-C does not print a traceback."""
    try:
        from localmesh.cli.commands import run

        status = run()
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)
