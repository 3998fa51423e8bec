"""For pods of `skaffold dev`: run a service from a copy of its code, and again whenever that copy changes.

    python -m services.chassis.development /live gunicorn --config … 'services.logic.app:create_app()'

gunicorn's own --reload keeps what its master process has loaded, the chassis among it, and ends for good
when the code cannot be imported; a new process knows no such thing.
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
_LOOK_SECONDS = 0.3
_STOP_SECONDS = 2.0

State = Mapping[Path, tuple[int, int]]
"""The files of a folder, each with the time of its last change (ns) and its size (bytes)."""


def copy_once(source: Path, folder: Path) -> None:
    """Copy the code unless it is there: after a restart of the container the edited copy counts.

    Compiled files stay behind: an image trusts them without a look at their source.
    """
    if any(folder.iterdir()):
        return
    # Each entry for itself: the folder is a volume, whose own mode and times belong to somebody else.
    for entry in source.iterdir():
        if entry.name == _COMPILED:
            continue
        if entry.is_dir():
            shutil.copytree(entry, folder / entry.name, ignore=shutil.ignore_patterns(_COMPILED))
        else:
            shutil.copy(entry, folder)


def state(folder: Path) -> State:
    """What is in a folder now, compiled files aside."""
    found: dict[Path, tuple[int, int]] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != _COMPILED]
        for name in files:
            path = Path(place, name)
            try:
                told = path.stat()
            except FileNotFoundError:
                continue  # gone since it was listed
            found[path] = (told.st_mtime_ns, told.st_size)
    return found


class Runner:
    """Keeps a command running in a folder of code, with that code as it is."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._folder = folder
        self._command = command
        self._running: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Run the command, again after each change, until a signal ends this process."""
        signal.signal(signal.SIGTERM, self._leave)
        while True:
            before = state(self._folder)
            self._start()
            changed = self._wait_for_a_change(before)
            self._stop()
            _say(f"{changed.relative_to(self._folder)} has changed: starting again")

    def _start(self) -> None:
        # What a leaving pod waits for is traffic that still comes; here the next process takes it.
        environment = {**os.environ, "SHUTDOWN_DELAY_SECONDS": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        self._running = subprocess.Popen(self._command, cwd=self._folder, env=environment)

    def _wait_for_a_change(self, before: State) -> Path:
        told = False
        while (now := state(self._folder)) == before:
            if self._running and self._running.poll() is not None and not told:
                _say(f"it has ended with status {self._running.returncode}: waiting for a change of the code")
                told = True
            time.sleep(_LOOK_SECONDS)
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

    def _leave(self, _: int, __: FrameType | None) -> None:
        self._stop()
        raise SystemExit(0)


def _say(what: str) -> None:
    sys.stderr.write(f"development: {what}\n")


def main(arguments: Sequence[str]) -> None:
    """Run the command that follows the folder, from a copy of the current folder in it."""
    folder, *command = arguments
    copy_once(Path.cwd(), Path(folder))
    Runner(Path(folder), command).run()


if __name__ == "__main__":
    main(sys.argv[1:])
