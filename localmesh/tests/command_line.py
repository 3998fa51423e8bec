"""Runs command lines in the process of the tests, which has imported all of them already.

That they work as processes is tested by `cli/test_up.py`, and by tests of pipes and signals. A command that
replaces its process by another program needs one of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from localmesh.cli.commands import run

_REPLACING = ("execv", "execve")
"""What all functions of the family end in."""
NOBODY = "http://127.0.0.1:1"
"""An address where no mesh runs, for tests of commands that would find one at the default address."""
Main = Callable[[list[str]], int]
"""The entry point of a program: its exit status for these arguments."""


@dataclass(frozen=True)
class Finished:
    """The result of a command, with the names that `subprocess` gives it."""

    returncode: int
    stdout: str
    stderr: str


def localmesh(folder: Path, *arguments: str, stdin: str = "", **environment: str) -> Finished:
    """Run a command of localmesh in this folder."""
    return in_process(run, folder, *arguments, stdin=stdin, **environment)


def in_process(main: Main, folder: Path, *arguments: str, stdin: str = "", **environment: str) -> Finished:
    """Run a program in this folder, with these environment variables in addition."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = in_folder(main, folder, *arguments, stdin=stdin, **environment)
    return Finished(status, out.getvalue(), err.getvalue())


def in_folder(main: Main, folder: Path, *arguments: str, stdin: str = "", **environment: str) -> int:
    """The same without taking what it prints."""
    typed = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    changed = mock.patch.dict(os.environ, environment)
    with contextlib.chdir(folder), changed, mock.patch("sys.stdin", typed), contextlib.ExitStack() as stack:
        for name in _REPLACING:
            refused = AssertionError(f"os.{name} would replace the process of the tests: run it as a process")
            stack.enter_context(mock.patch.object(os, name, side_effect=refused))
        try:
            return main(list(arguments))
        except SystemExit as end:
            return int(end.code or 0)
