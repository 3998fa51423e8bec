"""The targets of the Makefile: the commands that they run, and the messages for wrong usage."""

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
    """A folder with the Makefile, and an environment whose localmesh prints its arguments."""
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
    """Run make there, without installing anything."""
    return subprocess.run(
        ["make", "--no-print-directory", "-o", "setup", "VENV=environment", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ports_are_variables(folder: Path) -> None:
    """Messages of localmesh about ports name the variables (`--from-make`)."""
    chosen = make(
        folder, "up", "SCENARIO=canary", "GATEWAY_PORT=8090", "API_PORT=7090", "GATEWAY_HTTPS_PORT=9443"
    )
    usual = make(folder, "up")

    assert chosen.stdout == (
        "localmesh up -k istio/overlays/canary --gateway-port 8090 --gateway-https-port 9443 --api-port 7090 "
        "--from-make --end-with-parent\n"
    )
    assert usual.stdout == "localmesh up -k istio/base --from-make --end-with-parent\n"


@pytest.mark.parametrize("words", [["prove", "canary"], ["prove", "SCENARIO=canary"]], ids=" ".join)
def test_a_scenario_is_named_by_a_variable_or_by_a_word(folder: Path, words: list[str]) -> None:
    """One proof runs, and make ends with its status."""
    finished = make(folder, *words)

    assert finished.returncode == 0
    assert finished.stderr == ""
    assert finished.stdout == (
        "localmesh up -k istio/overlays/canary --state .localmesh/prove --gateway-port 0 --api-port 0 "
        "--end-with-parent -- environment/bin/loadgen prove canary\n"
    )


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["prove", "SCENARIO=jwt mtls-strict"], "jwt mtls-strict"),
        (["prove", "jwt", "mtls-strict"], "jwt mtls-strict"),
        (["up", "canray"], "canray"),
    ],
    ids=str,
)
def test_an_unknown_scenario_is_an_error_that_lists_all(folder: Path, words: list[str], named: str) -> None:
    """Nothing is started, and the status is 2."""
    finished = make(folder, *words)

    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith(f'there is no scenario "{named}"; there are: ab-testing ')


def test_a_word_after_another_target_is_not_a_scenario(folder: Path) -> None:
    """`make demo` always proves the canary."""
    finished = make(folder, "scenarios", "canary")

    assert finished.returncode == 2
    assert "No rule to make target" in finished.stderr


def test_clean_removes_nothing_while_a_mesh_runs(folder: Path) -> None:
    """The message names its process and the command that stops it; after that, clean removes everything."""
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
        f"a mesh is running with the state folder .localmesh/prove (process {this.pid}); "
        "stop it with: .venv/bin/localmesh down --state .localmesh/prove"
    )
    assert kept
    assert done.returncode == 0
    assert not (folder / "environment").exists()
    assert not (folder / ".localmesh").exists()


def test_one_benchmark_is_named_by_a_variable(folder: Path) -> None:
    """Without it, all run."""
    commands = [make(folder, "-n", "bench", *words).stdout.strip() for words in ([], ["BENCH=startup"])]

    assert commands == ["environment/bin/python -m bench", "environment/bin/python -m bench startup"]
