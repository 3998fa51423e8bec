"""The installation shows what pip is doing, and the end of its output when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import ROOT

SCRIPT = ROOT / "scripts" / "pip_progress.py"
PIP = """
import sys
print("Collecting flask==3.1.3 (from -r r.txt (line 1))", flush=True)
print("Collecting rich==15.0.0 (from -r r.txt (line 2))", flush=True)
{end}
"""


def run(folder: Path, end: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a pip that collects two packages and then executes `end`."""
    (folder / "pip").mkdir()
    (folder / "pip" / "__init__.py").touch()
    (folder / "pip" / "__main__.py").write_text(PIP.format(end=end))
    (folder / "r.txt").write_text(
        "flask==3.1.3 \\\n    --hash=sha256:00\nrich==15.0.0 \\\n    --hash=sha256:00\n"
    )
    return subprocess.run(
        [sys.executable, SCRIPT, "install", "r.txt"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_success_is_one_line_with_the_time(tmp_path: Path) -> None:
    """pip's own lines are not shown."""
    finished = run(tmp_path, end="")

    assert finished.returncode == 0
    assert finished.stderr.splitlines()[0] == "setup: starting pip (0 s)"
    assert finished.stderr.splitlines()[-1].startswith("setup: r.txt done in ")
    assert "Collecting" not in finished.stderr


def test_a_failure_shows_the_end_of_the_output(tmp_path: Path) -> None:
    """With pip's error, and status 1."""
    finished = run(tmp_path, end='sys.exit("ERROR: no matching distribution")')

    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-2:] == [
        "ERROR: no matching distribution",
        "setup: pip failed with r.txt; its last lines are above",
    ]


@pytest.mark.parametrize(
    ("lines", "step"),
    [
        ([], "starting pip"),
        (["Collecting flask==3.1.3 (from -r r.txt (line 1))"], "downloading flask, 1 of 2"),
        (["Collecting a==1", "  Downloading a.whl (4 kB)", "Collecting b[x]==2"], "downloading b, 2 of 2"),
        (["Collecting a==1", "Installing collected packages: a, b"], "installing 2 packages"),
    ],
)
def test_the_step_follows_the_output(
    lines: list[str], step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It contains the package and the number of packages."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from pip_progress import Progress

    requirements = tmp_path / "r.txt"
    requirements.write_text("a==1 \\\n    --hash=sha256:00\nb==2 \\\n    --hash=sha256:00\n    # via a\n")
    progress = Progress(requirements)

    progress.read(lines)

    assert progress.step == step
