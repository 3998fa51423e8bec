"""Grafana's dashboards in front of a real Prometheus that scrapes a mesh: every panel has data."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from localmesh.manifests import load
from localmesh.runtime.workloads import FreePorts
from tests.kustomize_builds import combine
from tests.live import ROOT, live
from tests.proof_mesh import LOADGEN
from tests.test_observability import COMPONENT, ISTIO, SERVICES, panels

PROMETHEUS = shutil.which("prometheus")
WITHIN_SECONDS = 30
PANELS = [
    pytest.param(target["expr"], id=f"{dashboard.stem}: {panel['title']}")
    for dashboard in (SERVICES, ISTIO)
    for panel in panels(dashboard)
    for target in panel["targets"]
]

pytestmark = [
    pytest.mark.mesh,
    pytest.mark.xdist_group("metrics"),
    pytest.mark.skipif(not PROMETHEUS, reason="prometheus is not on the PATH"),
]


def scrape_config(api: str) -> str:
    """The configuration of the documentation, for this mesh."""
    page = (ROOT / "docs" / "observability.md").read_text()
    (documented,) = re.findall(r"```yaml\n(scrape_configs:\n.*?)```", page, re.DOTALL)
    content = yaml.safe_load(documented)
    (job,) = content["scrape_configs"]
    job["static_configs"] = [{"targets": [api.removeprefix("http://")]}]
    return yaml.safe_dump({"global": {"scrape_interval": "1s"}, **content})


def values(prometheus: str, query: str) -> list[float]:
    """The current values of a query; those that are no numbers are left out."""
    answer = requests.get(f"{prometheus}/api/v1/query", {"query": query}, timeout=10).json()
    assert answer["status"] == "success", answer
    found = [float(series["value"][1]) for series in answer["data"]["result"]]
    return [value for value in found if not math.isnan(value)]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped the canary during one `loadgen run`."""
    folder = tmp_path_factory.mktemp("dashboards")
    resources = load(kustomizations=[combine(folder, ROOT / "istio/overlays/canary", COMPONENT)]).resources
    ports = FreePorts()
    address = f"127.0.0.1:{ports.take()}"
    ports.close()
    with live(folder, list(resources)) as mesh:
        config = folder / "prometheus.yml"
        config.write_text(scrape_config(mesh.api))
        process = subprocess.Popen(_prometheus(config, folder / "data", address), stderr=subprocess.DEVNULL)
        try:
            assert subprocess.run([LOADGEN, "run", mesh.gateway, *_LOAD], check=False).returncode == 0
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("query", PANELS)
def test_a_panel_has_data_after_one_run_of_loadgen(prometheus: str, query: str) -> None:
    """Within the time that Prometheus needs for two scrapes."""
    query = query.replace("$__rate_interval", "1m")
    deadline = time.monotonic() + WITHIN_SECONDS

    while not (found := values(prometheus, query)) and time.monotonic() < deadline:
        time.sleep(0.2)

    assert found, query


_LOAD = ["--rate", "20", "--duration", "6s", "--no-live"]


def _prometheus(config: Path, data: Path, address: str) -> list[str]:
    assert PROMETHEUS is not None
    settings = {"config.file": config, "storage.tsdb.path": data, "web.listen-address": address}
    return [PROMETHEUS, *(f"--{name}={value}" for name, value in settings.items())]
