"""The canary on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localmesh import mesh as mesh_module
from localmesh.catalog import Catalog, Proxy
from localmesh.manifests import Resource
from localmesh.translate import ProxyConfig
from tests.live import ROOT, live, overlay, with_environment

pytestmark = [pytest.mark.mesh]

LOADGEN = Path(sys.executable).with_name("loadgen")


def prove(api: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """The exit status and the report of a proof of the canary."""
    report = folder / "report.json"
    finished = subprocess.run(
        [LOADGEN, "prove", "canary", "--json", report],
        cwd=ROOT,
        env={**os.environ, "LOCALMESH_URL": api},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert report.exists(), finished.stderr
    return finished.returncode, json.loads(report.read_text())


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    """Each check's verdict by its name."""
    return {check["name"]: check["verdict"] for proof in report["scenarios"] for check in proof["checks"]}


def quick(resources: list[Resource]) -> list[Resource]:
    """The same application, hanging for a third of a second instead of three: the odds stay."""
    return with_environment(resources, "logic-v2", HANG_SECONDS="0.3")


def with_weights(resources: list[Resource], v1: int, v2: int) -> list[Resource]:
    """The canary with other weights in its VirtualService."""
    import copy

    out = []
    for resource in resources:
        if (resource.kind, resource.name) == ("VirtualService", "logic"):
            body = copy.deepcopy(dict(resource.body))
            for destination, weight in zip(body["spec"]["http"][0]["route"], (v1, v2), strict=True):
                destination["weight"] = weight
            resource = replace(resource, body=body)  # noqa: PLW2901
        out.append(resource)
    return out


@pytest.mark.xdist_group("application")
def test_the_canary_in_force_is_proven(tmp_path: Path) -> None:
    """The overlay as it is, hangs and all: PASS."""
    with live(tmp_path, overlay("canary")) as running:
        status, report = prove(running.api, tmp_path)

    assert status == 0
    assert set(verdicts(report).values()) == {"PASS"}


@pytest.mark.xdist_group("application")
def test_edited_weights_are_what_gets_proven(tmp_path: Path) -> None:
    """Expected values come from what is in force: 50/50 after an edit is proven as 50/50."""
    with live(tmp_path, with_weights(quick(overlay("canary")), 50, 50)) as running:
        status, report = prove(running.api, tmp_path)

    assert status == 0
    assert "50 %" in json.dumps([check["expected"] for check in report["scenarios"][0]["checks"]])


@pytest.mark.xdist_group("application")
def test_the_plain_application_fails_the_proof(tmp_path: Path) -> None:
    """Without the overlay there is no split to prove."""
    with live(tmp_path, quick(overlay("base"))) as running:
        status, report = prove(running.api, tmp_path)

    assert status == 1
    assert report["verdict"] == "FAIL"


@pytest.mark.xdist_group("application")
def test_a_translator_made_wrong_fails_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An 80/20 manifest over 50/50 traffic: the proof says FAIL about the shares."""
    monkeypatch.setattr(mesh_module, "translate", _evenly(mesh_module.translate))

    with live(tmp_path, quick(overlay("canary"))) as running:
        status, report = prove(running.api, tmp_path)

    assert status == 1
    assert verdicts(report)["share of v2"] == "FAIL"


def _evenly(right: Callable[[Catalog, Proxy], ProxyConfig]) -> Callable[[Catalog, Proxy], ProxyConfig]:
    """A translation that gives every weighted destination the same weight."""

    def wrong(catalog: Catalog, proxy: Proxy) -> ProxyConfig:
        config = right(catalog, proxy)
        for routes in config.routes:
            for host in routes["virtualHosts"]:
                for route in host["routes"]:
                    for cluster in route.get("route", {}).get("weightedClusters", {}).get("clusters", []):
                        cluster["weight"] = 50
        return config

    return wrong
