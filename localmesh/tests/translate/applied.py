"""A mesh that becomes one after another, as far as translation goes."""

from __future__ import annotations

from collections.abc import Iterable

from localmesh.catalog.addressing import SyntheticAllocator
from localmesh.manifests import Resource
from localmesh.runtime.changes import carry_over
from localmesh.runtime.desired_state import EMPTY, DesiredState, plan
from localmesh.translate import ProxyConfig, TranslationCache, translate
from localmesh.xds import Encoder, Snapshot


class Applied:
    """One mesh after another, translated with the cache of those before."""

    def __init__(self) -> None:
        self._cache, self._encoder = TranslationCache(), Encoder()
        self._addresses = SyntheticAllocator()
        self._plan: DesiredState = EMPTY
        self._objects: dict[tuple[str, str, str, str], Resource] = {}

    def apply(self, resources: Iterable[Resource], *, ready: bool = True) -> None:
        """Makes the mesh what the resources say."""
        self._objects = carry_over(self._objects, resources)
        self._plan = plan(self._objects.values(), (), self._addresses, self._plan)
        self._catalog = self._plan.catalog.with_pods(
            pod.as_endpoint(ready=ready) for pod in (*self._plan.pods.values(), *self._plan.gateways.values())
        )

    def remembered(self) -> dict[str, ProxyConfig]:
        """What each proxy is told, with the memory."""
        found = {proxy.name: translate(self._catalog, proxy, self._cache) for proxy in self._plan.proxies}
        self._cache.forget_unused()
        return found

    def fresh(self) -> dict[str, ProxyConfig]:
        """What each proxy is told, without."""
        return {proxy.name: translate(self._catalog, proxy) for proxy in self._plan.proxies}

    def snapshots(self) -> dict[str, Snapshot]:
        """What each proxy is sent."""
        found = {name: self._encoder.snapshot(config) for name, config in self.remembered().items()}
        self._encoder.forget_unused()
        return found
