"""Runs the command line in tests: in this process, or as a subprocess for signals and pipes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import jsonschema

import loadgen
from loadgen.cli import main

SCHEMAS = Path(loadgen.__file__).parent
REPORT_SCHEMA = json.loads((SCHEMAS / "reporting/report.schema.json").read_text())
SUMMARY_SCHEMA = json.loads((SCHEMAS / "run/summary.schema.json").read_text())


@dataclass(frozen=True)
class Outcome:
    """The result of a command."""

    status: int
    out: str
    err: str

    def json(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Standard output as a document, validated against its schema."""
        document = json.loads(self.out)
        jsonschema.validate(document, schema)
        return document


def run(*arguments: str) -> Outcome:
    """Run the command line in this process, without finding a running mesh by chance."""
    out, err = io.StringIO(), io.StringIO()
    environment = mock.patch.dict(os.environ, {"LOCALMESH_URL": "http://127.0.0.1:1", "COLUMNS": "100"})
    with environment, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(arguments))
    return Outcome(int(status), out.getvalue(), err.getvalue())


def wait_until(condition: Callable[[], bool], what: str, *, within_seconds: float = 20) -> None:
    """Wait for a condition; fails with its description."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_seconds} s in vain for {what}"
        time.sleep(0.01)


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the command line as a subprocess."""
    command = [sys.executable, "-m", "loadgen.cli", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], *, within_seconds: float = 20) -> Outcome:
    """Wait for a subprocess."""
    out, err = process.communicate(timeout=within_seconds)
    return Outcome(process.returncode, out, err)
