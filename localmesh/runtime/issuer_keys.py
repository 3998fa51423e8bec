"""Fetches the keys of issuers, keeps them and renews them.

As istiod does: pilot/pkg/model/jwks_resolver.go. A fetch is bounded in time and size; the keys that were
fetched last stay when a renewal fails.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from localmesh.catalog import Address, Catalog
from localmesh.catalog.issuer_keys import KeySource, key_source, timeout_seconds
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION, keys_fault
from localmesh.problems import FieldPath, Problem
from localmesh.problems.codes import warnings
from localmesh.runtime.background import attempt

REFRESH_SECONDS = 20 * 60.0
_FIRST_RETRY_SECONDS = 1.0
_FIRST_RETRIES = 7
_RETRY_SECONDS = 60.0
_LARGEST_BYTES = 1 << 20
_DISCOVERY = "/.well-known/openid-configuration"

Resolve = Callable[[str, int], Address | None]
"""Where a host and port of the mesh is reached now; None for hosts outside the mesh."""

_log = logging.getLogger(__name__)


class _FetchError(Exception):
    """Keys cannot be fetched; the message says why."""


@dataclass(slots=True)
class _Entry:
    """What is known of one source: its keys, "" before the first success, and why the last try failed."""

    timeout: float
    keys: str = ""
    failure: str = ""
    failures: int = 0
    due: float = 0.0


class IssuerKeys:
    """The keys of all issuers that the rules of a mesh name without keys."""

    def __init__(self, resolve: Resolve, changed: Callable[[], Awaitable[None]]) -> None:
        self._resolve = resolve
        self._changed = changed
        self._entries: dict[KeySource, _Entry] = {}
        self._new = asyncio.Event()

    @property
    def known(self) -> Mapping[KeySource, str]:
        """The keys that are known, by their source."""
        return {source: entry.keys for source, entry in self._entries.items() if entry.keys}

    async def require(self, catalog: Catalog) -> None:
        """Fetches the keys of sources that are new in the catalog."""
        new = {source: timeout for source, timeout in _sources(catalog) if source not in self._entries}
        self._entries |= {source: _Entry(timeout) for source, timeout in new.items()}
        await asyncio.gather(*map(self._renew, new))
        self._new.set()

    def forget_others(self, catalog: Catalog) -> None:
        """Forgets the keys that no rule of the catalog asks for."""
        used = dict(_sources(catalog))
        self._entries = {source: entry for source, entry in self._entries.items() if source in used}

    def problems(self, catalog: Catalog) -> Iterable[Problem]:
        """The rules whose keys could not be fetched."""
        for resource in catalog.objects.of(REQUEST_AUTHENTICATION):
            for index, rule in enumerate(resource.spec.get("jwtRules") or ()):
                source = key_source(rule)
                entry = self._entries.get(source) if source else None
                if entry is not None and not entry.keys and entry.failure:
                    path = FieldPath("spec", "jwtRules", index)
                    yield warnings.KEYS_NOT_FETCHED.at(resource.place, path, reason=entry.failure)

    async def follow(self) -> None:
        """Renews keys when they are due, for as long as the mesh runs."""
        while True:
            self._new.clear()
            due = min((entry.due for entry in self._entries.values()), default=None)
            try:
                async with asyncio.timeout(None if due is None else max(due - time.monotonic(), 0)):
                    await self._new.wait()
            except TimeoutError:
                await attempt(self._renew_due, "renewing the keys of issuers")

    async def _renew_due(self) -> None:
        now, before = time.monotonic(), self.known
        due = [source for source, entry in self._entries.items() if entry.due <= now]
        await asyncio.gather(*map(self._renew, due))
        if self.known != before:
            await self._changed()

    async def _renew(self, source: KeySource) -> None:
        entry = self._entries[source]
        try:
            async with asyncio.timeout(entry.timeout):
                entry.keys = await self._fetched(source)
        except TimeoutError:
            self._failed(source, entry, f"no answer within {entry.timeout:g} s")
        except (_FetchError, aiohttp.ClientError, OSError, ValueError) as error:
            self._failed(source, entry, str(error) or type(error).__name__)
        else:
            entry.failure, entry.failures, entry.due = "", 0, time.monotonic() + REFRESH_SECONDS

    def _failed(self, source: KeySource, entry: _Entry, reason: str) -> None:
        if not entry.failures:
            _log.warning("the keys of %s cannot be fetched: %s", source.issuer or source.uri, reason)
        entry.failure, entry.failures = reason, entry.failures + 1
        is_first = entry.failures <= _FIRST_RETRIES
        entry.due = time.monotonic() + (_FIRST_RETRY_SECONDS if is_first else _RETRY_SECONDS)

    async def _fetched(self, source: KeySource) -> str:
        uri = source.uri or await self._discovered(source.issuer)
        keys = await self._content(uri)
        if fault := keys_fault(keys):
            raise _FetchError(f"{uri} has no JSON Web Key Set: {fault}")
        return keys

    async def _discovered(self, issuer: str) -> str:
        """OpenID Connect Discovery 1.0, section 4."""
        uri = f"{issuer.removesuffix('/')}{_DISCOVERY}"
        document = json.loads(await self._content(uri))
        found = document.get("jwks_uri") if isinstance(document, dict) else None
        if not isinstance(found, str):
            raise _FetchError(f"{uri} names no jwks_uri")
        return found

    async def _content(self, uri: str) -> str:
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _FetchError(f'"{uri}" is not an http or https URL')
        headers = {}
        inside = self._resolve(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        if inside is not None:
            headers["host"] = parts.netloc
            parts = parts._replace(netloc=str(inside))
        async with aiohttp.ClientSession(trust_env=inside is None) as session:
            try:
                async with session.get(urlunsplit(parts), headers=headers) as answer:
                    return await _bounded(answer, uri)
            except aiohttp.ClientConnectorError as error:
                reason = os.strerror(error.errno) if error.errno else str(error.os_error)
                raise _FetchError(f"{uri} cannot be reached: {reason}") from None


async def _bounded(answer: aiohttp.ClientResponse, uri: str) -> str:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_BYTES:
            raise _FetchError(f"{uri} has more than {_LARGEST_BYTES:,} bytes")
    if not answer.ok:
        raise _FetchError(f"{uri} answers with status {answer.status}")
    return body.decode()


def _sources(catalog: Catalog) -> Iterable[tuple[KeySource, float]]:
    for resource in catalog.objects.of(REQUEST_AUTHENTICATION):
        for rule in resource.spec.get("jwtRules") or ():
            if source := key_source(rule):
                yield source, timeout_seconds(rule)


def address_in_mesh(catalog: Catalog, host: str, port: int) -> Address | None:
    """Where a port of a Service is reached in plain text: at its first ready pod; None for other hosts."""
    service = catalog.service(host) or catalog.service(f"{host.removesuffix('.svc')}.svc.cluster.local")
    target = next((each.target for each in service.ports if each.number == port), None) if service else None
    if service is None or target is None:
        return None
    ready = (pod.address(target) for pod in catalog.pods_of(service) if pod.ready)
    return next(filter(None, ready), None)
