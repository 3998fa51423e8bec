"""The state of a mesh in plain data, as `GET /mesh` answers it and `localmesh status` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localmesh import __version__
from localmesh.catalog import Address, Server
from localmesh.catalog.default_gateways import HOSTS, HTTP_TARGET_PORT, INGRESS
from localmesh.runtime.changes import counts
from localmesh.runtime.mesh import Mesh
from localmesh.runtime.protocols import RunningPod

Json = dict[str, Any]
_HTTP_PORT = 80


def status(mesh: Mesh) -> Json:
    """All of it: gateways, pods, what is not intercepted, what is ignored."""
    intercepted = {connection for proxy in mesh.desired_state.proxies for connection in proxy.connections}
    return {
        "version": __version__,
        "ready": mesh.ready,
        "generation": mesh.generation,
        "stateFolder": str(mesh.settings.state_folder.resolve()),
        "gateways": gateways(mesh),
        "pods": [_pod(mesh, pod) for _, pod in sorted(mesh.pods.items())],
        "proxies": [_proxy(mesh, name) for name in sorted(mesh.gateways)],
        "notIntercepted": [
            f"{service.host}:{port.number} ({port.protocol.value})"
            for service in mesh.desired_state.catalog.services
            for port in service.ports
            if not port.protocol.may_be_http and service.host not in HOSTS
            if (service.host, port.number) not in intercepted
        ],
        "ignored": dict(counts(mesh.desired_state.ignored)),
        "warnings": [str(warning) for warning in mesh.warnings()],
    }


def gateways(mesh: Mesh) -> Json:
    """The addresses of every gateway: ``http`` for port 80 of its Gateways, else ``http-<port>``.

    A port that is not HTTP has its protocol in front, as in ``https-443``, ``tls-443`` and ``tcp-5432``.

    A gateway has its workload's name, followed by the namespace where an earlier one has that name; pods
    after the first have their own names.
    """
    workloads = mesh.desired_state.catalog.gateways
    servers = {(gateway.namespace, gateway.name): gateway.servers for gateway in workloads}
    out: Json = {}
    for key, planned in mesh.desired_state.gateways.items():
        running, workload = mesh.gateways.get(key), planned.workload
        if running is None:
            continue
        name = workload.name if planned.ordinal == 0 else planned.proxy.name
        out[name if name not in out else f"{name}.{workload.namespace}"] = {
            port: running.url(planned.proxy.listen[target], port.partition("-")[0])
            for port, target in _port_names(servers[workload.namespace, workload.name]).items()
        }
    return out


def ingress_url(mesh: Mesh) -> str | None:
    """Where port 80 of the ingress gateway is, or of the only gateway; None if there is no such port."""
    urls = {name: ports["http"] for name, ports in gateways(mesh).items() if "http" in ports}
    return urls.get(INGRESS) or (next(iter(urls.values())) if len(urls) == 1 else None)


def _port_names(servers: Sequence[Server]) -> dict[str, int]:
    """What the ports of a gateway are called, each with its target port."""
    http = next((server.target_port for server in servers if server.number == _HTTP_PORT), HTTP_TARGET_PORT)
    return {_port_name(server, http): server.target_port for server in servers}


def _port_name(server: Server, http: int) -> str:
    if not server.is_http:
        return f"{server.protocol.lower()}-{server.number}"
    return "http" if server.target_port == http else f"http-{server.number}"


def _pod(mesh: Mesh, pod: RunningPod) -> Json:
    workload = pod.planned.workload
    proxy = pod.planned.proxy
    return {
        "namespace": workload.namespace,
        "name": pod.planned.name,
        "workload": workload.name,
        "state": pod.application.state.value,
        "ready": pod.ready,
        "restarts": pod.application.restarts,
        "ports": {str(declared): real for declared, real in pod.planned.ports.items()},
        "proxySynced": mesh.synced(proxy) if proxy is not None else None,
        "envoyAdmin": _url(pod.sidecar.admin) if pod.sidecar is not None else None,
        "log": _path(pod.application.log_file),
        "proxyLog": _path(pod.sidecar.log_file) if pod.sidecar is not None else None,
    }


def _proxy(mesh: Mesh, name: tuple[str, str]) -> Json:
    kept = mesh.gateways[name]
    return {
        "namespace": name[0],
        "name": name[1],
        "workload": kept.proxy.workload,
        "ready": kept.ready,
        "synced": mesh.synced(kept.proxy),
        "restarts": kept.restarts,
        "envoyAdmin": _url(kept.admin),
        "proxyLog": _path(kept.log_file),
    }


def _url(address: Address | None) -> str | None:
    return None if address is None else f"http://{address}"


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)
