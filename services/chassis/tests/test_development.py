"""The runner of development pods: edited code runs, also after code that did not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.testing import ROOT, poll_until

PROGRAM = "import pathlib, signal\npathlib.Path('{said}').write_text('{text}')\nsignal.pause()\n"


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read the output of the process until this text."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr)


class Pod:
    """A code folder, its live copy, and the output of the program."""

    def __init__(self, folder: Path) -> None:
        self.image, self.live, self.said = folder / "image", folder / "live", folder / "said"
        for directory in (self.image / "__pycache__", self.live):
            directory.mkdir(parents=True)
        (self.image / "__pycache__" / "program.pyc").write_text("stale")
        (self.image / "program.py").write_text(self.program("first"))

    def program(self, text: str) -> str:
        return PROGRAM.format(said=self.said, text=text)

    def edit(self, content: str) -> None:
        """Replace the program in the live folder, as skaffold's sync does."""
        new = self.live / "program.new"
        new.write_text(content)
        new.replace(self.live / "program.py")

    def says(self, text: str) -> bool:
        return self.said.exists() and self.said.read_text() == text

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "services.chassis.development", str(self.live)]
        process = subprocess.Popen(
            [*command, sys.executable, "program.py"],
            cwd=self.image,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=10)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_an_edit_runs(pod: Pod) -> None:
    """The copy runs, and restarts after a change; compiled files are not copied."""
    with pod.running():
        poll_until(lambda: pod.says("first"), "the program")
        pod.edit(pod.program("second"))
        poll_until(lambda: pod.says("second"), "the edited program")

    assert not (pod.live / "__pycache__").exists()


def test_broken_code_waits_for_the_next_edit(pod: Pod) -> None:
    """The process of the pod keeps running, so that files can still be copied."""
    with pod.running() as process:
        poll_until(lambda: pod.says("first"), "the program")
        pod.edit("this is no Python\n")
        wait_for_line(process, "waiting for a change of the code")
        pod.edit(pod.program("fixed"))
        poll_until(lambda: pod.says("fixed"), "the fixed program")


def test_a_restarted_container_keeps_the_edits(pod: Pod) -> None:
    """The folder takes precedence over the image."""
    pod.edit(pod.program("edited before"))

    with pod.running():
        poll_until(lambda: pod.says("edited before"), "the edited program")


def test_it_ends_with_its_program(pod: Pod) -> None:
    """On SIGTERM, at once and with status 0."""
    with pod.running() as process:
        poll_until(lambda: pod.says("first"), "the program")
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=5) == 0
