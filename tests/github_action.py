"""The steps of `action.yml`, executed as a runner of GitHub would: only expressions and files of a runner."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.live import ROOT

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
_EXPRESSION = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


@dataclass
class Runner:
    """Runs steps in a checkout; `programs` are before those of the PATH."""

    checkout: Path
    temporary: Path
    programs: Path
    inputs: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, step: str) -> subprocess.CompletedProcess[str]:
        """The step of that id, as `bash --noprofile --norc -eo pipefail` runs it."""
        (found,) = (entry for entry in ACTION["runs"]["steps"] if entry.get("id") == step)
        assert found["shell"] == "bash"
        variables = {name: self._value(text) for name, text in found.get("env", {}).items()}
        self.summary.touch()
        self.output.touch()
        files = {
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
            "RUNNER_TEMP": str(self.temporary),
        }
        path = os.pathsep.join((str(self.programs), os.environ["PATH"]))
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", found["run"]],
            cwd=self.checkout,
            env={**os.environ, **files, **variables, **self.environment, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def summary(self) -> Path:
        """The file of the job summary."""
        return self.temporary / "summary.md"

    @property
    def output(self) -> Path:
        """The file of the outputs."""
        return self.temporary / "output"

    def _value(self, text: str) -> str:
        """A value with its inputs; others than those of the action are an error."""

        def value(match: re.Match[str]) -> str:
            default = str(ACTION["inputs"][match[1]].get("default", ""))
            return self.inputs.get(match[1], default)

        return _EXPRESSION.sub(value, text)
