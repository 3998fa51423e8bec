"""One mesh for several proofs: manifests are applied to it in turn, changed as a test wants them."""

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
from tests.live import ROOT, live

LOADGEN = Path(sys.executable).with_name("loadgen")


@dataclass(frozen=True, repr=False)
class Proven:
    """How a proof ended: its exit status and its report."""

    status: int
    report: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """Each check's verdict by its name."""
        return {check["name"]: check["verdict"] for check in self.report["scenarios"][0]["checks"]}

    @property
    def expected(self) -> dict[str, str]:
        """What each check expected, by its name."""
        return {check["name"]: check["expected"] for check in self.report["scenarios"][0]["checks"]}

    def __str__(self) -> str:
        """What did not pass and why, for an assertion that fails."""
        checks = self.report["scenarios"][0]["checks"]
        bad = [check for check in checks if check["verdict"] != "PASS"]
        return "; ".join(f"{check['name']} {check['verdict']}: {check['reason']}" for check in bad)

    __repr__ = __str__


@dataclass(frozen=True)
class ProofMesh:
    """A running mesh to apply to and to prove on."""

    api: str
    folder: Path

    def apply(self, resources: list[Resource]) -> None:
        """Make these all that there is."""
        text = yaml.safe_dump_all([dict(resource.body) for resource in resources])
        answer = requests.post(f"{self.api}/mesh/apply", json={"text": text}, timeout=60)
        assert answer.ok, answer.text

    def prove(self, scenario: str) -> Proven:
        """The proof of a scenario, against what is in force."""
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


@contextlib.contextmanager
def bed(folder: Path, resources: list[Resource]) -> Iterator[ProofMesh]:
    """A mesh that runs these."""
    with live(folder, resources) as running:
        yield ProofMesh(running.api, folder)


def edited(
    resources: list[Resource], kind: str, name: str, change: Callable[[dict[str, Any]], None]
) -> list[Resource]:
    """The same objects with one of them changed; `change` gets its body."""
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
    """While this lasts, every proxy's configuration is changed before it is sent: a mesh made wrong."""
    right = mesh_module.translate

    def wrong(*args: Any) -> Any:
        # a copy: what is translated right is kept and used again
        config = copy.deepcopy(right(*args))
        change(config)
        return config

    mesh_module.translate = wrong
    try:
        yield
    finally:
        mesh_module.translate = right


def route_actions(config: Any) -> Iterator[dict[str, Any]]:
    """Every route action in a proxy's configuration, to be changed in place."""
    for routes in config.routes:
        for host in routes["virtualHosts"]:
            for route in host["routes"]:
                if "route" in route:
                    yield route["route"]
