"""Volumes of a pod, and where containers mount them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.config_data import ConfigKind
from localmesh.problems import FieldPath
from localmesh.problems.codes import invalid
from localmesh.problems.problem import ProblemCollector

_DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True)
class EmptyDirectory:
    """A folder that is removed with the pod."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A folder that is kept and that all pods with the same claim share."""

    name: str
    read_only: bool = False
    of_each_pod: bool = False
    """Whether each pod has its own, as from the template of a StatefulSet."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key of a ConfigMap or Secret as a file; `path` is relative to the volume."""

    key: str
    path: str
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """The keys of a ConfigMap or Secret as files; without `items` all of them."""

    kind: ConfigKind
    name: str
    items: tuple[KeyFile, ...] | None = None
    mode: int = _DEFAULT_MODE
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume and its source."""

    name: str
    source: EmptyDirectory | Claim | ConfigFiles


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a container mounts a volume; `sub_path` may contain `$(VAR)` references."""

    volume: str
    path: str
    sub_path: str = ""
    read_only: bool = False


def volumes(spec: Mapping[str, Any], path: FieldPath, collector: ProblemCollector) -> tuple[Volume, ...]:
    """The volumes of a pod spec."""
    return tuple(
        _volume(body, path / "volumes" / index, collector)
        for index, body in enumerate(spec.get("volumes") or ())
    )


def mounts(
    container: Mapping[str, Any], path: FieldPath, known: Collection[str], collector: ProblemCollector
) -> tuple[Mount, ...]:
    """The mounts of a container; `known` are the names of the pod's volumes."""
    sound = []
    for index, body in enumerate(container.get("volumeMounts") or ()):
        here = path / "volumeMounts" / index
        if body["name"] not in known:
            found, listed = f'"{body["name"]}"', ", ".join(known) or "none"
            collector.add(
                invalid.UNKNOWN_NAME, here / "name", found=found, expected="a volume of the pod", known=listed
            )
            continue
        _require_inside(body.get("subPath") or "", here / "subPath", collector)
        _require_inside(body.get("subPathExpr") or "", here / "subPathExpr", collector)
        sound.append(
            Mount(
                volume=body["name"],
                path="/" + body["mountPath"].strip("/"),
                # Only subPathExpr expands variables: a `$` in subPath is doubled to stay as it is.
                sub_path=body.get("subPathExpr") or (body.get("subPath") or "").replace("$", "$$"),
                read_only=bool(body.get("readOnly")),
            )
        )
    return tuple(sound)


def _volume(body: Mapping[str, Any], path: FieldPath, collector: ProblemCollector) -> Volume:
    name = body["name"]
    if (config_map := body.get("configMap")) is not None:
        _require_items_inside(config_map, path / "configMap", collector)
        return Volume(name, _config_files("ConfigMap", config_map.get("name") or "", config_map))
    if (secret := body.get("secret")) is not None:
        _require_items_inside(secret, path / "secret", collector)
        return Volume(name, _config_files("Secret", secret.get("secretName") or "", secret))
    if (claim := body.get("persistentVolumeClaim")) is not None:
        return Volume(name, Claim(claim["claimName"], bool(claim.get("readOnly"))))
    return Volume(name, EmptyDirectory())  # a volume without a source is an emptyDir in Kubernetes


def leaves_volume(path: str) -> bool:
    """Whether a path within a volume leads out of it, which Kubernetes rejects."""
    return path.startswith("/") or ".." in path.split("/")


def _require_items_inside(body: Mapping[str, Any], path: FieldPath, collector: ProblemCollector) -> None:
    for index, item in enumerate(body.get("items") or ()):
        _require_inside(item["path"], path / "items" / index / "path", collector)


def _require_inside(value: str, path: FieldPath, collector: ProblemCollector) -> None:
    if leaves_volume(value):
        found, expected = f'"{value}"', "a relative path without .."
        remedy = "write a path inside the volume"
        collector.add(invalid.OUT_OF_RANGE, path, found=found, expected=expected, remedy=remedy)


def _config_files(kind: ConfigKind, name: str, body: Mapping[str, Any]) -> ConfigFiles:
    items = body.get("items")
    mode = body.get("defaultMode")
    return ConfigFiles(
        kind=kind,
        name=name,
        items=None if items is None else tuple(map(_key_file, items)),
        mode=_DEFAULT_MODE if mode is None else mode,
        optional=bool(body.get("optional")),
    )


def _key_file(item: Mapping[str, Any]) -> KeyFile:
    return KeyFile(item["key"], item["path"], item.get("mode"))
