"""Results of earlier translations, so that a small change of the mesh costs little.

A step of the translation is a frozen tuple of everything that decides its result, and it has access to
nothing else: not to the catalog, not to the proxy. So equal steps have equal results, and the cache cannot
return a stale one. A changed weight among a thousand Services costs one virtual host, and a proxy that a
change does not concern costs a few comparisons. Unchanged results are the same objects, so that encoding
and sending them can be skipped as well.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from localmesh.catalog import Catalog, Proxy
from localmesh.translate.config import ProxyConfig

Result_co = TypeVar("Result_co", covariant=True)

_UNKNOWN = object()


class Part(Hashable, Protocol[Result_co]):
    """A piece of a step's work, such as the clusters of one Service: its inputs, as a frozen tuple."""

    def build(self) -> Result_co:
        """The result, computed from the fields alone."""


class Cacheable(Protocol):
    """Inputs as a frozen tuple, to be compared with those of the last time, and the result for them."""

    @property
    def key(self) -> Hashable:
        """Whom the result is for: a proxy, or all proxies of a group. The cache keeps one result for each."""

    def build(self, parts: PartCache) -> ProxyConfig:
        """A part of a configuration, computed from the fields alone."""


class Step(Cacheable, Protocol):
    """A step of the translation."""

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> Step:
        """The step for a proxy: takes from the catalog everything that the result depends on."""


class PartCache:
    """The parts of one step, with their results from the last time that the step was built.

    Before the first time, those of the same step for others serve, who see much of the mesh in the same way.
    """

    def __init__(self, before: PartCache | None = None) -> None:
        self._before: dict[type, dict[Any, Any]] = before._now if before is not None else {}
        self._now: dict[type, dict[Any, Any]] = {}

    def build_each(self, parts: Iterable[Part[Result_co]]) -> list[Result_co]:
        """The results of several parts; a part that was there the last time is not built again."""
        results: list[Result_co] = []
        for part in parts:
            now, before = self._now.setdefault(type(part), {}), self._before.get(type(part), {})
            result = now.get(part, _UNKNOWN)
            if result is _UNKNOWN:
                result = before.get(part, _UNKNOWN)
                now[part] = result = part.build() if result is _UNKNOWN else result
            results.append(result)
        return results


class _Entry(NamedTuple):
    step: Cacheable
    config: ProxyConfig
    parts: PartCache


class TranslationCache:
    """The latest result of each step for each of its keys."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._latest: dict[type, PartCache] = {}
        self._used: set[Hashable] = set()

    def build(self, step: Cacheable) -> ProxyConfig:
        """The result of a step.

        Steps are compared, not hashed: comparing tuples of unchanged objects takes nanoseconds per object.
        """
        key = type(step), step.key
        self._used.add(key)
        last = self._entries.get(key)
        if last is not None and last.step == step:
            return last.config
        parts = PartCache(last.parts if last is not None else self._latest.get(type(step)))
        config = step.build(parts)
        self._latest[type(step)] = parts
        if last is not None:
            config = config.sharing(last.config)
        self._entries[key] = _Entry(step, config, parts)
        return config

    def forget_unused(self) -> None:
        """Drops the results that were not asked for since the last call."""
        self._entries = {key: entry for key, entry in self._entries.items() if key in self._used}
        self._used = set()
