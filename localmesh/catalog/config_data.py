"""The data of ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from localmesh.kinds.config_map import CONFIG_MAP, SECRET
from localmesh.manifests import Resource
from localmesh.problems import FieldPath, ManifestError
from localmesh.problems.codes import invalid

ConfigKind = Literal["ConfigMap", "Secret"]


@dataclass(frozen=True, slots=True)
class ConfigData:
    """The keys and values of all ConfigMaps and Secrets, by (kind, namespace, name)."""

    entries: Mapping[tuple[ConfigKind, str, str], Mapping[str, bytes]] = field(default_factory=dict)

    def of(self, kind: ConfigKind, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """The data of one of them; None if it does not exist."""
        return self.entries.get((kind, namespace, name))


def config_data(resources: Iterable[Resource]) -> ConfigData:
    """The data of all ConfigMaps and Secrets. Raises ManifestError for invalid base64."""
    entries: dict[tuple[ConfigKind, str, str], Mapping[str, bytes]] = {}
    for resource in resources:
        if resource.is_a(CONFIG_MAP):
            texts, binary = "data", "binaryData"
        elif resource.is_a(SECRET):
            texts, binary = "stringData", "data"
        else:
            continue
        kind: ConfigKind = "ConfigMap" if resource.is_a(CONFIG_MAP) else "Secret"
        decoded = {key: _decoded(resource, binary, key) for key in resource.body.get(binary) or {}}
        plain = {key: str(value).encode() for key, value in (resource.body.get(texts) or {}).items()}
        entries[kind, resource.namespace, resource.name] = decoded | plain
    return ConfigData(entries)


def _decoded(resource: Resource, section: str, key: str) -> bytes:
    """The bytes of a value; line breaks in it are ignored, as by Kubernetes: kustomize writes them."""
    try:
        text = resource.body[section][key].replace("\n", "").replace("\r", "")
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, AttributeError):
        problem = invalid.BAD_BASE64.at(resource.place, FieldPath(section, key), found="something else")
        raise ManifestError([problem]) from None
