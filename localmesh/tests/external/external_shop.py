"""The small shop as a served mesh: its parts are started by the test and not by localmesh."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from localmesh.runtime.workloads import FreePorts
from localmesh.stub import server
from localmesh.tests.command_line import Finished, localmesh
from localmesh.tests.mesh.shop import BASE, V1, V2, routed

LOCALMESH = Path(sys.executable).with_name("localmesh")
PATIENCE_SECONDS = 30
VERSIONS = ("v1", "v2")


def poll_until(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition, and says what was waited for when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still waiting for {what}"
        time.sleep(0.02)


@dataclass
class Shop:
    """Its folder, its ports, and what runs of it."""

    folder: Path
    ports: FreePorts
    stack: ExitStack
    xds: int = 0
    api_port: int = 0
    gateway_port: int = 0
    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    control_plane: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.xds, self.api_port, self.gateway_port = (self.ports.take() for _ in range(3))
        gateway = {"workload": "istio-system/istio-ingressgateway", "name": "gateway-0", "host": "127.0.0.1"}
        gateway |= {"ports": {8080: self.gateway_port}, "health": self.ports.take()}
        self.places = {
            version: {
                "workload": f"shop/web-{version}",
                "name": f"web-{version}-0",
                "host": "127.0.0.1",
                "application": {8080: self.ports.take()},
                "inbound": {8080: self.ports.take()},
                "outbound": self.ports.take(),
                "health": self.ports.take(),
            }
            for version in VERSIONS
        }
        self.places["v1"]["log"] = str(self.folder / "web-v1.log")
        self.gateway_health = gateway["health"]
        places = {"pods": list(self.places.values()), "gateways": [gateway]}
        (self.folder / "pods.yaml").write_text(yaml.safe_dump(places))
        (self.folder / "mesh.yaml").write_text(BASE + V1 + V2 + routed(v1=1))

    @property
    def api(self) -> str:
        """The address of its API."""
        return f"http://127.0.0.1:{self.api_port}"

    def start(self, name: str, *command: object) -> subprocess.Popen[bytes]:
        """Starts a process that is stopped with the shop; its output is in a file of that name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen([*map(str, command)], cwd=self.folder, stdout=log, stderr=log)
        self.stack.callback(_stop, process)
        return process

    def serve(self) -> None:
        """Starts the control plane."""
        ports = ("--xds-port", self.xds, "--api-port", self.api_port)
        published = ("--gateway-url", "http://gateway.example", "--api-url", "http://api.example")
        files = ("-f", "mesh.yaml", "--pods", "pods.yaml")
        self.control_plane = self.start("serve", LOCALMESH, "serve", *files, *ports, *published)

    def sidecar(self, name: str, health: int, *more: str) -> subprocess.Popen[bytes]:
        """Starts an Envoy."""
        where = (
            "--control-plane",
            f"127.0.0.1:{self.xds}",
            "--health-port",
            health,
            "--state",
            f"state-{name}",
        )
        return self.start(f"{name}-proxy", LOCALMESH, "sidecar", name, *where, *more)

    def sidecars(self) -> None:
        """Starts the gateway and every sidecar."""
        self.sidecar("gateway-0", self.gateway_health, "--gateway")
        for place in self.places.values():
            self.sidecar(f"{place['name']}.shop", place["health"])

    def application(self, version: str) -> subprocess.Popen[bytes]:
        """Starts an application, which says in its answers who it is."""
        place = self.places[version]
        identity = {"version": version, "pod": place["name"], "ports": place["application"]}
        return self.start(f"web-{version}", sys.executable, "-I", "-S", server.__file__, json.dumps(identity))

    def status(self) -> dict[str, Any]:
        """What the API says of the mesh; nothing while there is none."""
        try:
            mesh: dict[str, Any] = json.loads(self.get(f"{self.api}/mesh"))
        except (OSError, ValueError):
            return {}
        return mesh

    def until_ready(self) -> None:
        """Waits until all of it is."""
        poll_until(lambda: self.status().get("ready") and self.status()["generation"], "the whole mesh")

    def answers(self, count: int) -> Counter[str]:
        """Who answered through the gateway: a version, or the status of a failure."""
        counts: Counter[str] = Counter()
        for _ in range(count):
            try:
                counts[json.loads(self.get(f"http://127.0.0.1:{self.gateway_port}/"))["version"]] += 1
            except urllib.error.HTTPError as error:
                with error:
                    counts[str(error.code)] += 1
        return counts

    def get(self, url: str) -> str:
        """The body of a good answer."""
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def refusal(self, url: str) -> tuple[int, str]:
        """The status and message of an error."""
        try:
            self.get(url)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["message"]
        raise AssertionError(f"{url} answers well")

    def become(self, manifests: str) -> Finished:
        """Has a kustomization applied that is these manifests and lies elsewhere."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        (elsewhere / "all.yaml").write_text(manifests)
        (elsewhere / "kustomization.yaml").write_text("resources: [all.yaml]\n")
        return self.run("apply", "-k", ".")

    def run(self, *arguments: str) -> Finished:
        """Runs a localmesh command from elsewhere: it knows the mesh by its address alone."""
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        return localmesh(elsewhere, *arguments, LOCALMESH_URL=self.api)


@contextmanager
def shop(folder: Path) -> Iterator[Shop]:
    """A shop of which nothing runs yet."""
    ports = FreePorts()
    with ExitStack() as stack:
        yield Shop(folder, ports, stack)
    ports.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=PATIENCE_SECONDS)
