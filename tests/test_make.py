"""What `make` says to a person who has something else running, or mistypes."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from localmesh.cli.client import RunningMesh

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile, and an environment whose localmesh prints what it is given."""
    for name in ("Makefile", "scripts", "istio", "loadgen"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = tmp_path / "environment" / "bin"
    programs.mkdir(parents=True)
    for name, command in {"python": sys.executable, "localmesh": "echo localmesh"}.items():
        program = programs / name
        words = " ".join(map(shlex.quote, command.split())) if name == "localmesh" else shlex.quote(command)
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o755)
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs make there; nothing is set up anew."""
    return subprocess.run(
        ["make", "--no-print-directory", "-o", "setup", "VENV=environment", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ports_are_variables(folder: Path) -> None:
    """And messages about them are to say so."""
    chosen = make(folder, "up", "SCENARIO=canary", "GATEWAY_PORT=8090", "API_PORT=7090")
    usual = make(folder, "up")

    assert chosen.stdout == (
        "localmesh up -k istio/overlays/canary --gateway-port 8090 --api-port 7090 --from-make "
        "--end-with-parent\n"
    )
    assert usual.stdout == "localmesh up -k istio/base --from-make --end-with-parent\n"


def test_two_scenarios_at_once_are_told_as_one_that_there_is_not(folder: Path) -> None:
    """In make's own words, and not in those of a shell."""
    finished = make(folder, "prove", "SCENARIO=jwt mtls-strict")

    assert finished.returncode == 2
    assert finished.stderr.startswith('there is no scenario "jwt mtls-strict"; there are: ab-testing ')


def test_clean_takes_nothing_from_a_running_mesh(folder: Path) -> None:
    """It is named with its process, and how to stop it; once it has ended, all goes."""
    state = folder / ".localmesh" / "prove"
    state.mkdir(parents=True)
    this = psutil.Process()
    RunningMesh("http://127.0.0.1:1", this.pid, this.create_time()).write(state)

    refused = make(folder, "clean")
    kept = (folder / "environment").exists() and state.exists()
    RunningMesh.remove(state)
    done = make(folder, "clean")

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0] == (
        f"a mesh runs with the state folder .localmesh/prove (process {this.pid}): stop it first, "
        "with .venv/bin/localmesh down --state .localmesh/prove"
    )
    assert kept
    assert done.returncode == 0
    assert not (folder / "environment").exists()
    assert not (folder / ".localmesh").exists()
