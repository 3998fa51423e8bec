"""Containers of a pod: their commands, environment, ports and mounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.config_data import ConfigKind
from localmesh.catalog.probe import Action, Handlers, Probe
from localmesh.catalog.volume import Mount, mounts
from localmesh.problems import FieldPath
from localmesh.problems.problem import ProblemCollector


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A declared port; the process listens on another, free port instead."""

    number: int
    name: str = ""
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class FieldReference:
    """A field of the pod itself, such as `metadata.name`."""

    path: str


@dataclass(frozen=True, slots=True)
class ResourceReference:
    """A request or limit of a container (None: the same one), divided by `divisor` and rounded up."""

    resource: str
    divisor: str = "1"
    container: str | None = None


@dataclass(frozen=True, slots=True)
class KeyReference:
    """One key of a ConfigMap or Secret."""

    kind: ConfigKind
    name: str
    key: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: a text that may contain `$(VAR)`, or a source if the text is empty."""

    name: str
    value: str = ""
    source: FieldReference | ResourceReference | KeyReference | None = None


@dataclass(frozen=True, slots=True)
class VariableImport:
    """All keys of a ConfigMap or Secret as environment variables."""

    kind: ConfigKind
    name: str
    prefix: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the manifest describes it; without a `command` that of the image applies.

    `requests` and `limits` are Kubernetes quantities by resource name.
    """

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    working_directory: str = ""
    variables: tuple[Variable, ...] = ()
    imports: tuple[VariableImport, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    mounts: tuple[Mount, ...] = ()
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None
    pre_stop: Action | None = None
    post_start: Action | None = None
    requests: Mapping[str, str] | None = None
    limits: Mapping[str, str] | None = None


def container(
    body: Mapping[str, Any], path: FieldPath, volumes: Collection[str], collector: ProblemCollector
) -> Container:
    """The container written at `path`; `volumes` are the names of the pod's volumes."""
    ports = tuple(map(_port, body.get("ports") or ()))
    handlers = Handlers(collector, {port.name: port.number for port in ports if port.name})
    resources = body.get("resources") or {}
    return Container(
        name=body["name"],
        image=body.get("image") or "",
        command=tuple(body.get("command") or ()),
        arguments=tuple(body.get("args") or ()),
        working_directory=body.get("workingDir") or "",
        variables=tuple(map(_variable, body.get("env") or ())),
        imports=tuple(map(_import, body.get("envFrom") or ())),
        ports=ports,
        mounts=mounts(body, path, volumes, collector),
        startup=handlers.probe(body, "startupProbe", path),
        readiness=handlers.probe(body, "readinessProbe", path),
        liveness=handlers.probe(body, "livenessProbe", path),
        pre_stop=handlers.pre_stop(body, path),
        post_start=handlers.post_start(body, path),
        requests=_quantities(resources.get("requests")),
        limits=_quantities(resources.get("limits")),
    )


def _port(body: Mapping[str, Any]) -> ContainerPort:
    return ContainerPort(body["containerPort"], body.get("name") or "", body.get("protocol") or "TCP")


def _variable(body: Mapping[str, Any]) -> Variable:
    return Variable(body["name"], body.get("value") or "", _source(body.get("valueFrom") or {}))


def _source(body: Mapping[str, Any]) -> FieldReference | ResourceReference | KeyReference | None:
    if (field := body.get("fieldRef")) is not None:
        return FieldReference(field["fieldPath"])
    if (amount := body.get("resourceFieldRef")) is not None:
        divisor = str(amount.get("divisor") or "1")
        return ResourceReference(amount["resource"], divisor, amount.get("containerName"))
    if (key := body.get("configMapKeyRef")) is not None:
        return _key_reference("ConfigMap", key)
    if (key := body.get("secretKeyRef")) is not None:
        return _key_reference("Secret", key)
    return None


def _key_reference(kind: ConfigKind, body: Mapping[str, Any]) -> KeyReference:
    return KeyReference(kind, body.get("name") or "", body["key"], bool(body.get("optional")))


def _import(body: Mapping[str, Any]) -> VariableImport:
    kind: ConfigKind = "ConfigMap" if body.get("configMapRef") is not None else "Secret"
    reference = body.get("configMapRef") or body.get("secretRef") or {}
    return VariableImport(
        kind, reference.get("name") or "", body.get("prefix") or "", bool(reference.get("optional"))
    )


def _quantities(body: Mapping[str, Any] | None) -> dict[str, str] | None:
    return None if body is None else {name: str(quantity) for name, quantity in body.items()}
