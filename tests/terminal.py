"""A terminal in which the commands of pages are executed, one after the other."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND_SECONDS = 180.0
COLUMNS = "100"
"""The width of the pages; it must not depend on the terminal in which the tests run."""
_END = "end of the command, status"
_OF_A_SHELL = re.compile(r"[|&;<>`*(){}]|\$\(")

Main = Callable[[Path, Sequence[str]], int]
"""Runs a program of the project in this process: its folder, its arguments, its exit status."""


@dataclass(frozen=True)
class Terminal:
    """A bash that keeps its variables, functions and jobs from one command to the next."""

    bash: subprocess.Popen[str]
    folder: Path
    programs: Mapping[str, Main]

    def run(self, line: str) -> tuple[int, list[str]]:
        """The exit status and the printed lines of a command, errors among them.

        A program that this process can run costs no start of Python, unless the line needs a shell, or
        `exec` would replace the process.
        """
        words = shlex.split(line, comments=True)
        if (
            words[0] in self.programs
            and words[1] != "exec"
            and not _OF_A_SHELL.search(line.partition(" # ")[0])
        ):
            return self._in_this_process(words)
        return self._in_bash(line)

    def _in_this_process(self, words: Sequence[str]) -> tuple[int, list[str]]:
        printed = io.StringIO()
        arguments = [os.path.expandvars(word) for word in words[1:]]
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            status = self.programs[words[0]](self.folder, arguments)
        return status, printed.getvalue().splitlines()

    def _in_bash(self, line: str) -> tuple[int, list[str]]:
        assert self.bash.stdin is not None
        assert self.bash.stdout is not None
        timer = threading.Timer(COMMAND_SECONDS, os.killpg, (self.bash.pid, signal.SIGKILL))
        timer.start()
        try:
            self.bash.stdin.write(f"{line}\nprintf '\\n%s %s\\n' '{_END}' $?\n")
            self.bash.stdin.flush()
            printed: list[str] = []
            for text in self.bash.stdout:
                if text.startswith(_END):
                    return int(text.split()[-1]), _without_the_empty_line(printed)
                printed.append(text.rstrip("\n"))
        finally:
            timer.cancel()
        raise AssertionError(f"bash ended in `{line}`: {printed}")


def _without_the_empty_line(printed: list[str]) -> list[str]:
    """The line before the end is empty, unless what was printed last does not end its line."""
    return printed[:-1] if printed and not printed[-1] else printed


@contextlib.contextmanager
def terminal(folder: Path, programs: Mapping[str, Main] | None = None) -> Iterator[Terminal]:
    """A bash in this folder; jobs that it leaves behind end with it."""
    bash = subprocess.Popen(
        ["bash", "--noprofile", "--norc"],
        cwd=folder,
        env={**os.environ, "COLUMNS": COLUMNS},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Terminal(bash, folder, programs or {})
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(bash.pid, signal.SIGTERM)
        bash.communicate()
