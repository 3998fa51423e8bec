"""A proxy's configuration as it is sent: per type, named resources in binary form, with a version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from localmesh.translate import ProxyConfig
from localmesh.xds.messages import (
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

Json = dict[str, Any]


class Resources(dict[str, bytes]):
    """Named resources of one type in binary form; never changed once made."""

    @cached_property
    def version(self) -> str:
        """A short digest, which changes exactly when the resources do."""
        digest = hashlib.blake2b(digest_size=8)
        for name in sorted(self):
            digest.update(name.encode())
            digest.update(self[name])
        return digest.hexdigest()

    def of_names(self, names: frozenset[str]) -> Resources:
        """Those of these names; the same object where that is all of them."""
        if self.keys() <= names:
            return self
        return Resources({name: self[name] for name in sorted(names) if name in self})


_NONE = Resources()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All resources of one proxy."""

    resources: Mapping[str, Resources]

    def of(self, type_url: str) -> Resources:
        """The resources of a type, by name."""
        return self.resources.get(type_url, _NONE)

    def with_resources(self, type_url: str, resources: Resources) -> Snapshot:
        """The same snapshot with other resources of one type."""
        return Snapshot({**self.resources, type_url: resources})


_UNREAD = frozenset({"metadata", "decorator"})


def as_sent(host: Json) -> Json:
    """A virtual host without what nobody reads here: its routes' metadata and their names in traces.

    Istio's own telemetry reads the one, tracing the other. With 1,000 Services an Envoy takes a third of
    the time of an update for them (bench/scale.py).
    """
    routes = [
        {key: value for key, value in route.items() if key not in _UNREAD} for route in host.get("routes", ())
    ]
    return {**host, "routes": routes}


class Encoder:
    """Makes snapshots, and of a document that is the same object as before the same bytes without work."""

    def __init__(self) -> None:
        self._documents: dict[int, tuple[Json, bytes]] = {}
        self._types: dict[int, tuple[tuple[Json, ...], Resources]] = {}
        self._types_used: dict[int, tuple[tuple[Json, ...], Resources]] = {}
        self._encoded_since = 0

    def snapshot(self, config: ProxyConfig, secrets: tuple[Json, ...] = ()) -> Snapshot:
        """The snapshot of one proxy's configuration and the certificates that go with it."""
        return Snapshot(
            {
                CLUSTER: self._resources(CLUSTER, config.clusters),
                ENDPOINTS: self._resources(ENDPOINTS, config.endpoints, key="clusterName"),
                LISTENER: self._resources(LISTENER, config.listeners),
                SCOPE: self._resources(SCOPE, config.scopes),
                ROUTE: self._resources(ROUTE, config.routes),
                EXTENSION: self._resources(EXTENSION, config.policies),
                SECRET: self._resources(SECRET, secrets),
            }
        )

    def forget_unused(self) -> None:
        """Drops what no snapshot made since the last call needed."""
        self._types, self._types_used = self._types_used, {}
        if self._encoded_since > len(self._documents) // 2:
            self._forget_documents()

    def _forget_documents(self) -> None:
        """Drops documents that are gone; not after every change, as that means to look at all of them."""
        documents = [document for known, _ in self._types.values() for document in known]
        hosts = [host for document in documents for host in document.get("virtualHosts") or ()]
        living = {id(document) for document in (*documents, *hosts)}
        self._documents = {each: known for each, known in self._documents.items() if each in living}
        self._encoded_since = 0

    def _resources(self, type_url: str, documents: tuple[Json, ...], *, key: str = "name") -> Resources:
        # kept together with what it was made of, so that no other object can come to have the same id
        found = self._types_used.get(id(documents)) or self._types.get(id(documents))
        if found is None:
            encoded = {document[key]: self._encode(type_url, document) for document in documents}
            found = documents, Resources(encoded)
        self._types_used[id(documents)] = found
        return found[1]

    def _encode(self, type_url: str, document: Json) -> bytes:
        known = self._documents.get(id(document))
        if known is not None:
            return known[1]
        if type_url == VIRTUAL_HOST:
            encoded = encode(VIRTUAL_HOST, as_sent(document))
        elif type_url == ROUTE:
            hosts = [self._encode(VIRTUAL_HOST, host) for host in document["virtualHosts"]]
            encoded = with_virtual_hosts(encode(ROUTE, {**document, "virtualHosts": []}), hosts)
        else:
            encoded = encode(type_url, document)
        self._documents[id(document)] = document, encoded
        self._encoded_since += 1
        return encoded
