"""The inventory of `localmesh serve`: where pods that are started elsewhere are, from a YAML file.

    pods:
      - workload: sentimesh/logic-v1   # the Deployment; the first entry is its first pod, and so on
        name: logic-v1-0               # the name that the application has itself (POD_NAME)
        host: logic-v1                 # a name or address at which other pods reach it
        log: /var/log/pods/logic-v1-0.log
    gateways:
      - workload: istio-system/istio-ingressgateway
        name: istio-ingressgateway-0
        host: istio-ingressgateway-0

Pods that share one address have ports of their own: `application` and `inbound` (by container port: where
the application and its sidecar listen), `outbound` (the sidecar, for requests of the application) and
`health`; a gateway has `ports` (by target port: where it listens) and `health`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs

from localmesh.manifests import Document, read_files
from localmesh.manifests.lines import YamlLines
from localmesh.manifests.schema import validation_problems
from localmesh.problems import FieldPath, ManifestError, Place, Problem
from localmesh.problems.codes import invalid, syntax

OUTBOUND_PORT = 15001
"""Where a sidecar listens for requests of its pod: Istio's number."""
HEALTH_PORT = 15021
"""Where a proxy reports whether it is ready: Istio's number."""
INBOUND_OFFSET = 10_000
"""A sidecar listens at a container port plus this number: the port itself is the application's."""

_NAME = "[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
_PORT = {"type": "integer", "minimum": 1, "maximum": 65_535}
_PORTS = {
    "type": "object",
    "propertyNames": {"pattern": "^[1-9][0-9]{0,4}$", "title": "port numbers as keys"},
    "additionalProperties": _PORT,
}
_COMMON = {
    "workload": {"type": "string", "pattern": f"^{_NAME}/{_NAME}$", "title": "a workload as namespace/name"},
    "name": {
        "type": "string",
        "pattern": f"^{_NAME}$",
        "title": "lower-case letters, digits, dashes and dots",
    },
    "host": {
        "type": "string",
        "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "title": "a name or an IPv4 address without a port",
    },
    "health": _PORT,
}


def _entry(**fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**_COMMON, **fields},
        "required": ["workload", "name", "host"],
        "additionalProperties": False,
    }


_POD = _entry(log={"type": "string"}, application=_PORTS, inbound=_PORTS, outbound=_PORT)
_INVENTORY = {
    "type": "object",
    "properties": {
        "pods": {"type": "array", "items": _POD, "minItems": 1},
        "gateways": {"type": "array", "items": _entry(ports=_PORTS)},
    },
    "required": ["pods"],
    "additionalProperties": False,
}
_SCHEMA: dict[str, Any] = {"$ref": "#/$defs/inventory", "$defs": {"inventory": _INVENTORY}}
_VALIDATOR = jsonschema_rs.Draft202012Validator(_SCHEMA)


@dataclass(frozen=True, slots=True)
class PodEntry:
    """One pod; `workload` is ``namespace/name`` of its Deployment. Ports that are missing have defaults."""

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
        """Where the sidecar listens for a container port: above it, or below it at the end of the range."""
        default = port + INBOUND_OFFSET if port + INBOUND_OFFSET <= 65_535 else port - INBOUND_OFFSET
        return self.inbound.get(port, default)


@dataclass(frozen=True, slots=True)
class GatewayEntry:
    """One pod of a gateway; `workload` is ``namespace/name``, of Istio's own gateway or of a Deployment."""

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
    """All entries, in the order of the file."""

    pods: tuple[PodEntry, ...] = ()
    gateways: tuple[GatewayEntry, ...] = ()


def read_inventory(file: Path) -> Inventory:
    """The inventory in a file. Raises ManifestError with every problem."""
    document = _document(file)
    problems = list(validation_problems(document.body, _VALIDATOR, _SCHEMA, Place(str(file))))
    problems = problems or list(_duplicates(document.body, Place(str(file))))
    if problems:
        lines = YamlLines()
        raise ManifestError(problem.on_line(lines.line(document, problem.path)) for problem in problems)
    body = document.body
    return Inventory(
        pods=tuple(PodEntry(**_converted(entry)) for entry in body["pods"]),
        gateways=tuple(GatewayEntry(**_converted(entry)) for entry in body.get("gateways", ())),
    )


def _document(file: Path) -> Document:
    reading = read_files([file])
    problems = list(reading.problems)
    if not problems and len(reading.documents) != 1:
        reason = f"it holds {len(reading.documents)} YAML documents, expected one"
        problems.append(
            syntax.UNREADABLE.at(Place(str(file)), reason=reason, remedy="name a file with pods and gateways")
        )
    if problems:
        raise ManifestError(problems)
    return reading.documents[0]


def _duplicates(body: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Two entries with the same namespace and name."""
    for key in ("pods", "gateways"):
        first: dict[tuple[str, str], FieldPath] = {}
        for index, entry in enumerate(body.get(key, ())):
            path = FieldPath(key, index)
            name = (entry["workload"].partition("/")[0], entry["name"])
            earlier = first.setdefault(name, path)
            if earlier is not path:
                values = {"what": "the pod", "found": f'"{"/".join(name)}"', "first": earlier}
                yield invalid.DUPLICATE_ENTRY.at(place, path / "name", **values)


def _converted(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an entry as its class has them."""
    fields = dict(entry)
    for name in {"application", "inbound", "ports"} & fields.keys():
        fields[name] = {int(port): real for port, real in fields[name].items()}
    if "log" in fields:
        fields["log"] = Path(fields["log"])
    return fields
