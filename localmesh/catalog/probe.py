"""Probes and hooks of a container, with the defaults of Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localmesh.problems import FieldPath
from localmesh.problems.codes import invalid
from localmesh.problems.problem import ProblemCollector


@dataclass(frozen=True, slots=True)
class HttpGet:
    """Succeeds when a GET is answered with a status from 200 to 399."""

    port: int
    path: str = "/"
    scheme: str = "HTTP"
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """Succeeds when the port accepts a connection."""

    port: int
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Execute:
    """Succeeds when the command, run next to the container's own, exits with status 0."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GrpcHealth:
    """Succeeds when the health service of gRPC says that a service is serving; "" stands for all."""

    port: int
    service: str = ""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Waits."""

    seconds: float


Action = HttpGet | TcpSocket | Execute | GrpcHealth | Sleep


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe of a container; its ports are the declared ones.

    `termination_grace_seconds` overrides the grace period of the pod.
    """

    action: Action
    initial_delay_seconds: float = 0
    period_seconds: float = 10
    timeout_seconds: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Handlers:
    """Reads the probes and hooks of one container, whose ports can be named."""

    collector: ProblemCollector
    port_numbers: Mapping[str, int] = field(default_factory=dict)

    def probe(self, container: Mapping[str, Any], key: str, path: FieldPath) -> Probe | None:
        """The probe under `key`; None if there is none or its handler is not supported."""
        body = container.get(key)
        if body is None:
            return None
        action = self._action(body, path / key)
        if action is None:
            return None
        return Probe(
            action=action,
            initial_delay_seconds=body.get("initialDelaySeconds") or 0,
            period_seconds=body.get("periodSeconds") or 10,
            timeout_seconds=body.get("timeoutSeconds") or 1,
            success_threshold=body.get("successThreshold") or 1,
            failure_threshold=body.get("failureThreshold") or 3,
            termination_grace_seconds=body.get("terminationGracePeriodSeconds"),
        )

    def pre_stop(self, container: Mapping[str, Any], path: FieldPath) -> Action | None:
        """The action before the container is stopped; None if there is none, and for a sleep.

        A sleep waits until no proxy sends requests to the pod. Here every proxy acknowledges that before a
        pod is stopped.
        """
        body = (container.get("lifecycle") or {}).get("preStop")
        if not body or body.get("sleep") is not None:
            return None
        return self._action(body, path / "lifecycle" / "preStop")

    def post_start(self, container: Mapping[str, Any], path: FieldPath) -> Action | None:
        """The action after the container has started; None if there is none."""
        body = (container.get("lifecycle") or {}).get("postStart")
        if not body:
            return None
        if (sleep := body.get("sleep")) is not None:
            return Sleep(float(sleep.get("seconds") or 0))
        return self._action(body, path / "lifecycle" / "postStart")

    def _action(self, body: Mapping[str, Any], path: FieldPath) -> Action | None:
        if (get := body.get("httpGet")) is not None:
            return self._http_get(get, path / "httpGet")
        if (socket := body.get("tcpSocket")) is not None:
            port = self._port(socket.get("port"), path / "tcpSocket" / "port")
            return None if port is None else TcpSocket(port, socket.get("host") or None)
        if (grpc := body.get("grpc")) is not None:
            port = self._port(grpc.get("port"), path / "grpc" / "port")
            return None if port is None else GrpcHealth(port, grpc.get("service") or "")
        if (execute := body.get("exec")) is not None:
            return Execute(tuple(execute.get("command") or ()))
        return None

    def _http_get(self, get: Mapping[str, Any], path: FieldPath) -> HttpGet | None:
        port = self._port(get.get("port"), path / "port")
        if port is None:
            return None
        return HttpGet(
            port=port,
            path=get.get("path") or "/",
            scheme=get.get("scheme") or "HTTP",
            host=get.get("host") or None,
            headers=tuple((header["name"], header["value"]) for header in get.get("httpHeaders") or ()),
        )

    def _port(self, port: int | str | None, path: FieldPath) -> int | None:
        if isinstance(port, int):
            return port
        if port is not None and port in self.port_numbers:
            return self.port_numbers[port]
        if port is not None and port.isdecimal():
            return int(port)
        found, known = f'"{port}"', ", ".join(self.port_numbers) or "none"
        expected = "a port of the container"
        self.collector.add(invalid.UNKNOWN_NAME, path, found=found, expected=expected, known=known)
        return None
