"""A proxy's configuration in the form in which it is sent: named, encoded resources of each type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from localmesh.envoy_messages.messages import (
    CLUSTER,
    ENDPOINTS,
    EXTENSION,
    LISTENER,
    ROUTE,
    SCOPE,
    SECRET,
    VIRTUAL_HOST,
    encode,
    with_virtual_hosts,
)
from localmesh.translate import ProxyConfig
from localmesh.xds.secrets import with_existing_files

Json = dict[str, Any]


class Resources(dict[str, bytes]):
    """Encoded resources of one type, by name; not changed after they have been created."""

    @cached_property
    def version(self) -> str:
        """A short digest of the resources."""
        digest = hashlib.blake2b(digest_size=8)
        for name in sorted(self):
            digest.update(name.encode())
            digest.update(self[name])
        return digest.hexdigest()

    def of_names(self, names: frozenset[str]) -> Resources:
        """The resources with these names; the same object if that is all of them."""
        if self.keys() <= names:
            return self
        return Resources({name: self[name] for name in sorted(names) if name in self})


_NONE = Resources()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All resources of one proxy, by type."""

    resources: Mapping[str, Resources]

    @property
    def size(self) -> int:
        """The number of resources."""
        return sum(map(len, self.resources.values()))

    def of(self, type_url: str) -> Resources:
        """The resources of a type, by name."""
        return self.resources.get(type_url, _NONE)

    def with_resources(self, type_url: str, resources: Resources) -> Snapshot:
        """A copy with other resources of one type."""
        return Snapshot({**self.resources, type_url: resources})


def as_sent(document: Json) -> Json:
    """A virtual host or cluster without what nothing reads here: Istio's metadata, names of routes in traces.

    In Istio its own telemetry reads the former, and tracing the latter. With 1,000 Services, those of virtual
    hosts cost Envoy a third of the time of an update, those of clusters an eighth of the time of its start
    and a twelfth of its memory (bench/scale.py). Metadata of EnvoyFilters is sent.
    """
    if "routes" not in document:
        return _read(document)
    return {**document, "routes": [_read(route) for route in document["routes"]]}


def _read(document: Json) -> Json:
    metadata = document.get("metadata", {})
    is_own = metadata.keys() <= {"filterMetadata"} and metadata.get("filterMetadata", {}).keys() <= {"istio"}
    unread = ("metadata", "decorator") if is_own else ("decorator",)
    return {key: document[key] for key in document if key not in unread}


class Encoder:
    """Encodes configurations; a document that is the same object as before is not encoded again."""

    def __init__(self) -> None:
        self._documents: dict[int, tuple[Json, bytes]] = {}
        self._types: dict[int, tuple[tuple[Json, ...], Resources]] = {}
        self._types_used: dict[int, tuple[tuple[Json, ...], Resources]] = {}
        self._encoded_since = 0

    def snapshot(self, config: ProxyConfig, secrets: tuple[Json, ...] = ()) -> Snapshot:
        """The snapshot of one proxy's configuration and its own certificate."""
        credentials = self._resources(SECRET, with_existing_files(config.secrets))
        own = self._resources(SECRET, secrets)
        return Snapshot(
            {
                CLUSTER: self._resources(CLUSTER, config.clusters),
                ENDPOINTS: self._resources(ENDPOINTS, config.endpoints, key="clusterName"),
                LISTENER: self._resources(LISTENER, config.listeners),
                SCOPE: self._resources(SCOPE, config.scopes),
                ROUTE: self._resources(ROUTE, config.routes),
                EXTENSION: self._resources(EXTENSION, config.policies),
                SECRET: Resources({**own, **credentials}) if credentials else own,
            }
        )

    def forget_unused(self) -> None:
        """Drops what no snapshot has needed since the last call."""
        self._types, self._types_used = self._types_used, {}
        if self._encoded_since > len(self._documents) // 2:
            self._forget_documents()

    def _forget_documents(self) -> None:
        """Drops documents that are gone; not after every change, because it visits all of them."""
        documents = [document for known, _ in self._types.values() for document in known]
        hosts = [host for document in documents for host in document.get("virtualHosts") or ()]
        living = {id(document) for document in (*documents, *hosts)}
        self._documents = {key: entry for key, entry in self._documents.items() if key in living}
        self._encoded_since = 0

    def _resources(self, type_url: str, documents: tuple[Json, ...], *, key: str = "name") -> Resources:
        # stored together with the documents, so that no other object can get the same id meanwhile
        entry = self._types_used.get(id(documents)) or self._types.get(id(documents))
        if entry is None:
            encoded = {document[key]: self._encode(type_url, document) for document in documents}
            entry = documents, Resources(encoded)
        self._types_used[id(documents)] = entry
        return entry[1]

    def _encode(self, type_url: str, document: Json) -> bytes:
        known = self._documents.get(id(document))
        if known is not None:
            return known[1]
        if type_url in (VIRTUAL_HOST, CLUSTER):
            encoded = encode(type_url, as_sent(document))
        elif type_url == ROUTE:
            hosts = [self._encode(VIRTUAL_HOST, host) for host in document["virtualHosts"]]
            encoded = with_virtual_hosts(encode(ROUTE, {**document, "virtualHosts": []}), hosts)
        else:
            encoded = encode(type_url, document)
        self._documents[id(document)] = document, encoded
        self._encoded_since += 1
        return encoded
