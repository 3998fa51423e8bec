"""Executes commands of pages in the process of the tests, which has imported the programs of the project."""

from __future__ import annotations

import contextlib
import io
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import loadgen.cli
import localmesh.cli.commands
from localmesh.tests.command_line import in_folder

PROGRAMS = Path(sys.executable).parent
OWN_PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    ".venv/bin/loadgen": loadgen.cli.main,
    ".venv/bin/localmesh": localmesh.cli.commands.run,
}
NOT_EXECUTED = ("kubectl ", "istioctl ", "skaffold ", *(() if shutil.which("curl") else ("curl ",)))
"""Commands that need a cluster, or a program that not every machine has."""


def run_here(line: str, folder: Path, api: str) -> tuple[int, list[str]]:
    """The exit status and the printed lines of a command, or of several that are joined by pipes."""
    status, printed = 0, ""
    for command in line.split(" | "):
        program, *arguments = shlex.split(command)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = in_folder(OWN_PROGRAMS[program], folder, *arguments, stdin=printed, LOCALMESH_URL=api)
        printed = output.getvalue()
    return status, printed.splitlines()
