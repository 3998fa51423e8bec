"""The state of a mesh in plain data, as `GET /mesh` answers it and `localmesh status` prints it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localmesh import __version__
from localmesh.catalog import Address
from localmesh.catalog.gateways import HTTP_TARGET_PORT
from localmesh.runtime.changes import counts
from localmesh.runtime.mesh import Mesh
from localmesh.runtime.protocols import RunningWorkload

Json = dict[str, Any]


def status(mesh: Mesh) -> Json:
    """All of it: gateways, pods, what is not intercepted, what is ignored."""
    return {
        "version": __version__,
        "ready": mesh.ready,
        "generation": mesh.generation,
        "stateFolder": str(mesh.settings.state_folder.resolve()),
        "gateways": gateways(mesh),
        "pods": [_pod(mesh, member) for _, member in sorted(mesh.members.items())],
        "proxies": [_proxy(mesh, name) for name in sorted(mesh.gateways)],
        "notIntercepted": [
            f"{service.host}:{port.number} ({port.protocol.value})"
            for service in mesh.plan.catalog.services
            for port in service.ports
            if not port.protocol.may_be_http
        ],
        "ignored": dict(counts(mesh.plan.ignored)),
        "warnings": [str(warning) for warning in mesh.warnings()],
    }


def gateways(mesh: Mesh) -> Json:
    """The addresses of every gateway by its name: ``http`` for its usual port, else ``http-<port>``."""
    out: Json = {}
    for workload in mesh.plan.catalog.gateways:
        kept = mesh.gateways.get((workload.namespace, workload.name))
        if kept is None:
            continue
        addresses = out.setdefault(workload.name, {})
        for server in workload.servers:
            # ports 80 and 8080 are one and the same at the pods of an ingress gateway
            name = "http" if server.target_port == HTTP_TARGET_PORT else f"http-{server.number}"
            addresses[name] = kept.url(server.target_port)
    return out


def _pod(mesh: Mesh, member: RunningWorkload) -> Json:
    workload = member.placed.workload
    proxy = member.placed.proxy
    return {
        "namespace": workload.namespace,
        "name": member.placed.name,
        "workload": workload.name,
        "state": member.pod.state.value,
        "ready": member.ready,
        "restarts": member.pod.restarts,
        "ports": {str(declared): real for declared, real in member.placed.ports.items()},
        "proxySynced": mesh.synced(proxy) if proxy is not None else None,
        "envoyAdmin": _url(member.envoy.admin) if member.envoy is not None else None,
        "log": _path(member.pod.log_file),
        "proxyLog": _path(member.envoy.log_file) if member.envoy is not None else None,
    }


def _proxy(mesh: Mesh, name: tuple[str, str]) -> Json:
    kept = mesh.gateways[name]
    return {
        "namespace": name[0],
        "name": name[1],
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
