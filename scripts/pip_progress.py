"""Runs pip with a requirements file and shows its progress all the time.

pip prints nothing while it downloads a large file or writes thousands of small ones. This prints a line that
is rewritten on a terminal, and a new line every few seconds elsewhere.
Run as `python scripts/pip_progress.py install --require-hashes requirements/run.txt`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-color")
SECONDS_BETWEEN_LINES = 4
SECONDS_ON_A_TERMINAL = 0.2
LINES_OF_A_FAILURE = 20


class Progress:
    """What pip is doing, read from its output."""

    def __init__(self, requirements: Path) -> None:
        self._packages = len(re.findall(r"^[A-Za-z0-9]", requirements.read_text(), flags=re.MULTILINE))
        self._collected = 0
        self.step = "starting pip"
        self.output: list[str] = []

    def read(self, lines: Iterable[str]) -> None:
        """Read pip's output to its end."""
        for line in lines:
            self.output.append(line)
            if match := re.match(r"Collecting ([^\s=<>!~;\[]+)", line):
                self._collected += 1
                self.step = f"downloading {match[1]}, {self._collected} of {self._packages}"
            elif line.startswith("Installing collected packages:"):
                self.step = f"installing {line.count(',') + 1} packages"


def show(progress: Progress, pip: subprocess.Popen[str], started: float) -> None:
    """Print what pip is doing until it ends."""
    terminal = sys.stderr.isatty()
    while True:
        text = f"setup: {progress.step} ({time.monotonic() - started:.0f} s)"
        sys.stderr.write(f"\r\033[K{text}" if terminal else f"{text}\n")
        sys.stderr.flush()
        try:
            pip.wait(SECONDS_ON_A_TERMINAL if terminal else SECONDS_BETWEEN_LINES)
        except subprocess.TimeoutExpired:
            continue
        sys.stderr.write("\r\033[K" if terminal else "")
        return


def main(arguments: list[str]) -> int:
    """Run pip and return its exit status; when it fails, print the end of its output."""
    *options, requirements = arguments
    progress = Progress(Path(requirements))
    command = [*PIP, *options, "--progress-bar", "off", "--requirement", requirements]
    started = time.monotonic()
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    reader = threading.Thread(target=progress.read, args=(pip.stdout,))
    reader.start()
    try:
        show(progress, pip, started)
    except KeyboardInterrupt:
        pip.terminate()
        sys.stderr.write("\nsetup: interrupted; run make again to continue\n")
        return 130
    finally:
        pip.wait()
        reader.join()
    if pip.returncode:
        sys.stderr.write("".join(progress.output[-LINES_OF_A_FAILURE:]))
        sys.stderr.write(f"setup: pip failed with {requirements}; its last lines are above\n")
        return 1
    sys.stderr.write(f"setup: {requirements} done in {time.monotonic() - started:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
