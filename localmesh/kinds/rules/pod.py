"""What Kubernetes requires of a pod's spec (kubernetes: pkg/apis/core/validation, ValidatePodSpec)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.rules.metadata import LABEL_WORDS, entry_names, is_label
from localmesh.kinds.rules.values import port_name, port_number, port_number_or_name, quantity
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

_VARIABLE_SOURCES = ("configMapKeyRef", "fieldRef", "fileKeyRef", "resourceFieldRef", "secretKeyRef")


def containers(spec: Field, claims: Field | None = None) -> Iterator[Problem]:
    """A pod has containers with unique names; `claims` are the templates of a StatefulSet's claims."""
    entries = spec.get("containers")
    if spec and not len(entries):
        yield spec.problem(invalid.MISSING_FIELD, name="containers", why="", remedy="add a container")
    yield from entry_names(entries, what="the container name")
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind).items():
            yield from _container(container, (spec.get("volumes"), claims))


def volumes(spec: Field) -> Iterator[Problem]:
    """Volumes have unique names and one source each."""
    entries = spec.get("volumes")
    yield from entry_names(entries, what="the volume name")
    for volume in entries.items():
        yield from _label(volume.get("name"))
        sources = [key for key, source in volume.entries() if key != "name" and source]
        if len(sources) > 1:
            yield volume.problem(
                invalid.EXCLUSIVE_FIELDS, found=listed(sources), expected="the types of volumes"
            )


def _container(container: Field, pod_volumes: tuple[Field, Field | None]) -> Iterator[Problem]:
    yield from _label(container.get("name"))
    if not container.get("image").text:
        yield container.problem(
            invalid.MISSING_FIELD, name="image", why="", remedy="add the image of the container"
        )
    yield from _ports(container)
    yield from _variables(container)
    yield from _mounts(container, pod_volumes)
    yield from _resources(container)
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        yield from probe(container.get(kind), must_succeed_once=kind != "readinessProbe")


def _label(name: Field) -> Iterator[Problem]:
    if name.text is not None and not is_label(name.text):
        yield name.problem(invalid.BAD_NAME, expected=LABEL_WORDS)


def _ports(container: Field) -> Iterator[Problem]:
    entries = container.get("ports")
    yield from entry_names(entries, what="the port name")
    for port in entries.items():
        yield from port_number(port.get("containerPort"))
        yield from port_name(port.get("name"))


def _variables(container: Field) -> Iterator[Problem]:
    for variable in container.get("env").items():
        if variable.get("name").text == "":
            yield variable.get("name").problem(invalid.BAD_NAME, expected="the name of a variable")
        source = variable.get("valueFrom")
        if variable.get("value").text and source:
            yield variable.problem(
                invalid.EXCLUSIVE_FIELDS, found="value and valueFrom", expected="value and valueFrom"
            )
        present = [key for key, field in source.entries() if field]
        if source and not present:
            yield source.problem(invalid.EMPTY_BLOCK, expected=listed(_VARIABLE_SOURCES))
        if len(present) > 1:
            yield source.problem(
                invalid.EXCLUSIVE_FIELDS, found=listed(present), expected=listed(_VARIABLE_SOURCES)
            )


def _mounts(container: Field, pod_volumes: tuple[Field, Field | None]) -> Iterator[Problem]:
    declared, claims = pod_volumes
    names = [volume.get("name") for volume in declared.items()]
    names += [claim.get("metadata", "name") for claim in (claims.items() if claims else ())]
    known = [name.text for name in names if name.text]
    mounts = container.get("volumeMounts")
    yield from entry_names(mounts, what="the mount path", key="mountPath")
    for mount in mounts.items():
        name = mount.get("name")
        if name.text is not None and name.text not in known:
            yield name.problem(invalid.UNKNOWN_NAME, expected="a volume of the pod", known=listed(known))
        if mount.get("mountPath").text == "":
            yield mount.problem(
                invalid.MISSING_FIELD,
                name="mountPath",
                why="",
                remedy="add the path at which to mount the volume",
            )


def _resources(container: Field) -> Iterator[Problem]:
    for kind in ("requests", "limits"):
        for _, amount in container.get("resources", kind).entries():
            yield from quantity(amount)


# -- probes ------------------------------------------------------------------------------------------

HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")

_NOT_NEGATIVE = (
    "failureThreshold",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "timeoutSeconds",
)


def probe(field: Field, *, must_succeed_once: bool) -> Iterator[Problem]:
    """A probe, if there is one, is valid; startup and liveness probes need a single success."""
    if not field:
        return
    present = [handler for handler in HANDLERS if field.get(handler)]
    if len(present) != 1:
        found = f"the probe has {listed(present)}" if present else "the probe has no handler"
        yield field.problem(invalid.BAD_PROBE, found=found)
    for handler in ("httpGet", "tcpSocket", "grpc"):
        yield from port_number_or_name(field.get(handler, "port"))
    yield from _numbers(field, must_succeed_once)


def _numbers(field: Field, must_succeed_once: bool) -> Iterator[Problem]:
    for name in _NOT_NEGATIVE:
        number = field.get(name)
        if (number.integer or 0) < 0:
            yield number.problem(invalid.OUT_OF_RANGE, expected="0 or more", remedy="write a number from 0")
    successes = field.get("successThreshold")
    if must_succeed_once and (successes.integer or 1) > 1:
        yield successes.problem(invalid.OUT_OF_RANGE, expected="1 in this probe", remedy="remove the field")


POD_RULES = (containers, volumes)
