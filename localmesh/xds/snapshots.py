"""A proxy's configuration as it is sent: per type, named resources in binary form, with a version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.translate import ProxyConfig
from localmesh.xds.messages import CLUSTER, ENDPOINTS, EXTENSION, LISTENER, ROUTE, SCOPE, SECRET, encode

Resources = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All resources of one proxy; `version` of a type changes exactly when its resources do."""

    resources: Mapping[str, Resources]

    def of(self, type_url: str) -> Resources:
        """The resources of a type, by name."""
        return self.resources.get(type_url, {})

    def with_resources(self, type_url: str, resources: Resources) -> Snapshot:
        """The same snapshot with other resources of one type."""
        return Snapshot({**self.resources, type_url: resources})


def version(resources: Resources) -> str:
    """A short digest of named resources."""
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(resources):
        digest.update(name.encode())
        digest.update(resources[name])
    return digest.hexdigest()


class Encoder:
    """Makes snapshots; equal resources of different proxies are encoded once and shared.

    Keeps what the last `keep` generations used, so that one changed route costs one encoding.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bytes] = {}
        self._used: dict[tuple[str, str], bytes] = {}

    def snapshot(self, config: ProxyConfig, secrets: Iterable[Mapping[str, Any]] = ()) -> Snapshot:
        """The snapshot of one proxy's configuration and the certificates that go with it."""
        return Snapshot(
            {
                CLUSTER: self._encoded(CLUSTER, config.clusters),
                ENDPOINTS: self._encoded(ENDPOINTS, config.endpoints, key="clusterName"),
                LISTENER: self._encoded(LISTENER, config.listeners),
                SCOPE: self._encoded(SCOPE, config.scopes),
                ROUTE: self._encoded(ROUTE, config.routes),
                EXTENSION: self._encoded(EXTENSION, config.policies),
                SECRET: self._encoded(SECRET, secrets),
            }
        )

    def forget_unused(self) -> None:
        """Drops what no snapshot made since the last call needed."""
        self._known, self._used = self._used, {}

    def _encoded(
        self, type_url: str, documents: Iterable[Mapping[str, Any]], *, key: str = "name"
    ) -> Resources:
        return {document[key]: self._encode(type_url, document) for document in documents}

    def _encode(self, type_url: str, document: Mapping[str, Any]) -> bytes:
        cached = type_url, json.dumps(document, separators=(",", ":"))
        found = self._used.get(cached) or self._known.get(cached) or encode(type_url, document)
        self._used[cached] = found
        return found
