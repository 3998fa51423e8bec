"""Runs a service from a copy of its code in pods of `skaffold dev`, and restarts it when the copy changes.

    python -m services.chassis.development /live gunicorn --config … 'services.logic.app:create_app()'

gunicorn's --reload keeps the modules that its master process has loaded, including the chassis, and exits for
good when the code cannot be imported. A new process has neither problem.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

_COMPILED = "__pycache__"
_POLL_SECONDS = 0.3
_STOP_SECONDS = 2.0

State = Mapping[Path, tuple[int, int]]
"""The files of a folder, each with the time of its last change (ns) and its size (bytes)."""


def copy_once(source: Path, folder: Path) -> None:
    """Copy the code into an empty folder; after a restart of the container, the edited copy is kept.

    Compiled files are not copied: those of the image are used without checking their source.
    """
    if any(folder.iterdir()):
        return
    # Copy each entry: the folder itself is a volume, whose mode and times this process may not change.
    for entry in source.iterdir():
        if entry.name == _COMPILED:
            continue
        if entry.is_dir():
            shutil.copytree(entry, folder / entry.name, ignore=shutil.ignore_patterns(_COMPILED))
        else:
            shutil.copy(entry, folder)


def state(folder: Path) -> State:
    """The current files of a folder, without compiled ones."""
    current: dict[Path, tuple[int, int]] = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != _COMPILED]
        for name in files:
            path = Path(parent, name)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # deleted since it was listed
            current[path] = (status.st_mtime_ns, status.st_size)
    return current


class Runner:
    """Keeps a command running on the current code of a folder."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._folder = folder
        self._command = command
        self._running: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Run the command, restarting it after each change, until a signal ends this process."""
        signal.signal(signal.SIGTERM, self._exit)
        while True:
            before = state(self._folder)
            self._start()
            changed = self._wait_for_a_change(before)
            self._stop()
            _log(f"{changed.relative_to(self._folder)} changed: restarting")

    def _start(self) -> None:
        # A terminating pod delays its shutdown for late traffic; here the next process serves that.
        environment = {**os.environ, "SHUTDOWN_DELAY_SECONDS": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        self._running = subprocess.Popen(self._command, cwd=self._folder, env=environment)

    def _wait_for_a_change(self, before: State) -> Path:
        reported = False
        while (now := state(self._folder)) == before:
            if self._running and self._running.poll() is not None and not reported:
                _log(f"exited with status {self._running.returncode}: waiting for a change of the code")
                reported = True
            time.sleep(_POLL_SECONDS)
        return min(path for path, _ in now.items() ^ before.items())

    def _stop(self) -> None:
        if self._running is None:
            return
        self._running.terminate()
        try:
            self._running.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()

    def _exit(self, _: int, __: FrameType | None) -> None:
        self._stop()
        raise SystemExit(0)


def _log(message: str) -> None:
    sys.stderr.write(f"development: {message}\n")


def main(arguments: Sequence[str]) -> None:
    """Copy the current folder to the folder of the first argument, and run the rest as a command there."""
    folder, *command = arguments
    copy_once(Path.cwd(), Path(folder))
    Runner(Path(folder), command).run()


if __name__ == "__main__":
    main(sys.argv[1:])
