"""A running application that tests apply manifests to and prove scenarios on."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
import yaml

from localmesh.manifests import Resource
from localmesh.runtime import mesh as mesh_module
from tests.live import ROOT

LOADGEN = Path(sys.executable).with_name("loadgen")


@dataclass(frozen=True, repr=False)
class Proven:
    """The outcome of a proof: its exit status and its report."""

    status: int
    report: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """Each check's verdict by its name."""
        return {check["name"]: check["verdict"] for check in self.report["scenarios"][0]["checks"]}

    @property
    def expected(self) -> dict[str, str]:
        """What each check expects, by its name."""
        return {check["name"]: check["expected"] for check in self.report["scenarios"][0]["checks"]}

    def __str__(self) -> str:
        """The checks that did not pass, with the reasons."""
        checks = self.report["scenarios"][0]["checks"]
        bad = [check for check in checks if check["verdict"] != "PASS"]
        return "; ".join(f"{check['name']} {check['verdict']}: {check['reason']}" for check in bad)

    __repr__ = __str__


@dataclass(frozen=True)
class ProofMesh:
    """A running mesh: the addresses of its API and its gateway, and a folder for reports."""

    api: str
    gateway: str
    folder: Path

    def apply(self, resources: list[Resource]) -> None:
        """Makes these resources the whole configuration."""
        text = yaml.safe_dump_all([dict(resource.body) for resource in resources])
        answer = requests.post(f"{self.api}/mesh/apply", json={"text": text}, timeout=60)
        assert answer.ok, answer.text

    def prove(self, scenario: str) -> Proven:
        """Proves a scenario against the current configuration."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        finished = subprocess.run(
            [LOADGEN, "prove", scenario, "--json", report],
            cwd=ROOT,
            env={**os.environ, "LOCALMESH_URL": self.api},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert report.exists(), finished.stderr
        return Proven(finished.returncode, json.loads(report.read_text()))


def edited(
    resources: list[Resource], kind: str, name: str, change: Callable[[dict[str, Any]], None]
) -> list[Resource]:
    """The same resources with one of them edited; `change` gets its body and modifies it."""
    out = []
    for resource in resources:
        if (resource.kind, resource.name) == (kind, name):
            body = copy.deepcopy(dict(resource.body))
            change(body)
            resource = replace(resource, body=body)  # noqa: PLW2901
        out.append(resource)
    return out


@contextlib.contextmanager
def translated_wrongly(change: Callable[[Any], None]) -> Iterator[None]:
    """Edits every proxy's configuration before it is sent: a mesh that disobeys its manifests."""
    right = mesh_module.translate

    def wrong(*args: Any) -> Any:
        # a copy, because the translation caches its results
        config = copy.deepcopy(right(*args))
        change(config)
        return config

    mesh_module.translate = wrong
    try:
        yield
    finally:
        mesh_module.translate = right
