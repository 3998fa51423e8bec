"""Where the pods and gateways of a served mesh are: read from a YAML file, checked, one line per problem.

    pods:
      - workload: sentimesh/logic-v1   # the Deployment; the first entry is its first pod, and so on
        name: logic-v1-0               # what the application calls itself (POD_NAME)
        host: logic-v1                 # a name or address at which the rest of the mesh reaches it
        log: /var/log/pods/logic-v1-0.log
    gateways:
      - workload: istio-system/istio-ingressgateway
        name: istio-ingressgateway-0
        host: istio-ingressgateway-0

Where several pods share one address, each names its own ports: `application` and `inbound` (container port:
where the application, where its sidecar listens), `outbound` (the sidecar, for the application's own
requests) and `health`; a gateway `ports` (target port: where it listens) and `health`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from localmesh.errors import InvalidInputError

OUTBOUND_PORT = 15001
"""Where a sidecar takes its pod's own requests: Istio's number."""
HEALTH_PORT = 15021
"""Where a proxy says whether it is ready: Istio's number."""
INBOUND_OFFSET = 10_000
"""A sidecar listens for a container port at that number and this: the port itself is the application's."""

_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class InventoryError(InvalidInputError):
    """The file does not say where the pods are; every problem on a line of its own."""

    def __init__(self, file: Path, problems: Iterable[str]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))


@dataclass(frozen=True, slots=True)
class PodEntry:
    """One pod: `workload` is ``namespace/name`` of its Deployment; ports that are not given are as usual."""

    workload: str
    name: str
    host: str
    log: Path | None = None
    application: Mapping[int, int] = field(default_factory=dict)
    inbound: Mapping[int, int] = field(default_factory=dict)
    outbound: int = OUTBOUND_PORT
    health: int = HEALTH_PORT

    @property
    def namespace(self) -> str:
        """The namespace of the workload."""
        return self.workload.partition("/")[0]

    def application_port(self, port: int) -> int:
        """Where the application listens for a container port."""
        return self.application.get(port, port)

    def inbound_port(self, port: int) -> int:
        """Where the sidecar listens for a container port; one so high that there is no room goes down."""
        usual = port + INBOUND_OFFSET if port + INBOUND_OFFSET <= 65_535 else port - INBOUND_OFFSET
        return self.inbound.get(port, usual)


@dataclass(frozen=True, slots=True)
class GatewayEntry:
    """One pod of a gateway; `workload` is ``namespace/name``, of Istio's own or of a Deployment."""

    workload: str
    name: str
    host: str
    ports: Mapping[int, int] = field(default_factory=dict)
    health: int = HEALTH_PORT

    @property
    def namespace(self) -> str:
        """The namespace of the workload."""
        return self.workload.partition("/")[0]

    def port(self, target: int) -> int:
        """Where it listens for a target port."""
        return self.ports.get(target, target)


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of them, in the order of the file."""

    pods: tuple[PodEntry, ...] = ()
    gateways: tuple[GatewayEntry, ...] = ()


def read_inventory(file: Path) -> Inventory:
    """The places that a file gives. Raises PlacesError with all that is wrong."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise InventoryError(
            file, [f"cannot be read: {reason}; name a file that says where the pods are"]
        ) from None
    except yaml.YAMLError as error:
        raise InventoryError(file, [f"is no YAML: {' '.join(str(error).split())}"]) from None
    reader = _Reader()
    places = reader.places(content)
    if reader.problems:
        raise InventoryError(file, reader.problems)
    return places


class _Reader:
    """Reads what is right and notes what is wrong, by its path in the file."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def places(self, content: Any) -> Inventory:
        known = self._mapping(content, "the file", ("pods", "gateways"))
        pods = [self._pod(entry, path) for entry, path in self._entries(known, "pods")]
        gateways = [self._gateway(entry, path) for entry, path in self._entries(known, "gateways")]
        if not pods and not self.problems:
            self.problems.append("pods is empty, expected where each pod is")
        self._unique("pods", (f"{pod.namespace}/{pod.name}" for pod in pods))
        self._unique("gateways", (f"{gateway.namespace}/{gateway.name}" for gateway in gateways))
        return Inventory(tuple(pods), tuple(gateways))

    def _pod(self, entry: Any, path: str) -> PodEntry:
        keys = ("workload", "name", "host", "log", "application", "inbound", "outbound", "health")
        known = self._mapping(entry, path, keys)
        workload = self._workload(known, path)
        log = self._text(known, "log", path, required=False)
        return PodEntry(
            workload=workload,
            name=self._name(known, path),
            host=self._host(known, path),
            log=Path(log) if log else None,
            application=self._ports(known, "application", path),
            inbound=self._ports(known, "inbound", path),
            outbound=self._port(known.get("outbound", OUTBOUND_PORT), f"{path}.outbound"),
            health=self._port(known.get("health", HEALTH_PORT), f"{path}.health"),
        )

    def _gateway(self, entry: Any, path: str) -> GatewayEntry:
        known = self._mapping(entry, path, ("workload", "name", "host", "ports", "health"))
        return GatewayEntry(
            workload=self._workload(known, path),
            name=self._name(known, path),
            host=self._host(known, path),
            ports=self._ports(known, "ports", path),
            health=self._port(known.get("health", HEALTH_PORT), f"{path}.health"),
        )

    def _workload(self, known: Mapping[str, Any], path: str) -> str:
        workload = self._text(known, "workload", path)
        namespace, slash, name = workload.partition("/")
        if workload and not (slash and _DNS_NAME.fullmatch(namespace) and _DNS_NAME.fullmatch(name)):
            self._wrong(f"{path}.workload", workload, "a Deployment as namespace/name")
        return workload

    def _entries(self, known: Mapping[str, Any], key: str) -> Iterator[tuple[Any, str]]:
        entries = known.get(key) or []
        if not isinstance(entries, list):
            self._wrong(key, entries, "a list")
            return
        for index, entry in enumerate(entries):
            yield entry, f"{key}[{index}]"

    def _mapping(self, value: Any, path: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self._wrong(path, value, f"a mapping with {', '.join(keys)}")
            return {}
        for key in value:
            if key not in keys:
                self._wrong(path, key, f"one of {', '.join(keys)}")
        return value

    def _text(self, known: Mapping[str, Any], key: str, path: str, *, required: bool = True) -> str:
        value = known.get(key)
        if isinstance(value, str) and value:
            return value
        if known and (required or value is not None):
            self._wrong(f"{path}.{key}", value, "a text")
        return ""

    def _name(self, known: Mapping[str, Any], path: str) -> str:
        name = self._text(known, "name", path)
        if name and not _DNS_NAME.fullmatch(name):
            self._wrong(f"{path}.name", name, "lower-case letters, digits, dashes and dots")
        return name

    def _host(self, known: Mapping[str, Any], path: str) -> str:
        host = self._text(known, "host", path)
        if host and not _HOST.fullmatch(host):
            self._wrong(f"{path}.host", host, "a name or an IPv4 address without a port")
        return host

    def _ports(self, known: Mapping[str, Any], key: str, path: str) -> dict[int, int]:
        value = known.get(key) or {}
        if not isinstance(value, dict):
            self._wrong(f"{path}.{key}", value, "a mapping of ports to ports")
            return {}
        return {
            self._port(port, f"{path}.{key}"): self._port(real, f"{path}.{key}.{port}")
            for port, real in value.items()
        }

    def _port(self, value: Any, path: str) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65_535:
            return value
        self._wrong(path, value, "a port from 1 to 65535")
        return 1

    def _unique(self, key: str, names: Iterable[str]) -> None:
        for name, count in Counter(names).items():
            if count > 1 and not name.endswith("/"):
                self.problems.append(f'{key}: "{name}" is given {count} times, expected once')

    def _wrong(self, path: str, found: Any, expected: str) -> None:
        what = "nothing" if found is None else f'"{found}"'
        self.problems.append(f"{path} is {what}, expected {expected}")
