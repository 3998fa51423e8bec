"""Without a mesh, an Envoy replaces the gateway: its configuration file, with other addresses."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from loadgen.tests.servers import always, answer, closed_port, serving
from localmesh.runtime.processes.envoy import binary
from tests.live import ROOT

FILE = ROOT / "k8s" / "components" / "no-mesh" / "envoy.yaml"
SERVICES = ("frontend", "webapp", "feedback")


def configuration(port: int, addresses: Mapping[str, list[tuple[str, int]]]) -> dict[str, Any]:
    """The file with a loopback address to listen on and these addresses of each service."""
    config: dict[str, Any] = yaml.safe_load(FILE.read_text())
    (listener,) = config["static_resources"]["listeners"]
    listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": port}
    for cluster in config["static_resources"]["clusters"]:
        (locality,) = cluster["load_assignment"]["endpoints"]
        locality["lb_endpoints"] = [
            {"endpoint": {"address": {"socket_address": {"address": host, "port_value": number}}}}
            for host, number in addresses[cluster["name"]]
        ]
    return config


@contextlib.contextmanager
def edge(folder: Path, addresses: Mapping[str, list[tuple[str, int]]]) -> Iterator[str]:
    """The URL of a running edge."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "envoy.yaml").write_text(yaml.safe_dump(configuration(port, addresses)))
    command = [str(binary()), "--config-path", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)


def readiness(url: str, *, within_seconds: float = 20) -> int:
    """The status of its readiness probe, once it listens."""
    end = time.monotonic() + within_seconds
    while True:
        try:
            return requests.get(f"{url}/edge/readyz", timeout=5).status_code
        except requests.ConnectionError:
            assert time.monotonic() < end, "the edge does not listen"
            time.sleep(0.05)


def address(url: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


@pytest.mark.mesh
class TestEdge:
    def test_each_path_is_routed_to_its_service(self, tmp_path: Path) -> None:
        """The two paths of the API have their services; all others go to the page."""
        with contextlib.ExitStack() as stack:
            servers = {
                name: stack.enter_context(serving(always(answer(200, name.encode())))) for name in SERVICES
            }
            url = stack.enter_context(edge(tmp_path, {name: [address(at)] for name, at in servers.items()}))

            ready = readiness(url)
            answers = {
                path: requests.get(url + path, timeout=5).text
                for path in ("/sentiment", "/feedback", "/", "/static/v1/page.css")
            }

        assert ready == 200
        assert answers == {
            "/sentiment": "webapp",
            "/feedback": "feedback",
            "/": "frontend",
            "/static/v1/page.css": "frontend",
        }

    def test_a_closed_address_does_not_cause_an_error(self, tmp_path: Path) -> None:
        """A request that did not reach a service is retried at another address."""
        with serving(always(answer(200))) as server:
            some = [("127.0.0.1", closed_port()), address(server)]
            with edge(tmp_path, dict.fromkeys(SERVICES, some)) as url:
                readiness(url)
                statuses = {requests.get(f"{url}/sentiment", timeout=5).status_code for _ in range(50)}

        assert statuses == {200}

    def test_it_is_not_ready_before_all_names_are_resolved(self, tmp_path: Path) -> None:
        """It would answer 503 for a service whose name DNS cannot resolve yet."""
        known, unknown = [("127.0.0.1", 1)], [("feedback.invalid", 80)]

        with edge(tmp_path, {"frontend": known, "webapp": known, "feedback": unknown}) as url:
            assert readiness(url) == 503
