"""A mesh that changes step by step, as far as translation is concerned: nothing runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from localmesh.catalog import Catalog
from localmesh.catalog.addressing import SyntheticAllocator
from localmesh.manifests import Resource
from localmesh.runtime.changes import carry_over
from localmesh.runtime.desired_state import EMPTY, DesiredState, plan
from localmesh.translate import ProxyConfig, TranslationCache, translate
from localmesh.xds import Encoder, Snapshot


class Applied:
    """A mesh after a sequence of applies, translated with one cache."""

    def __init__(self) -> None:
        self._cache, self._encoder = TranslationCache(), Encoder()
        self._addresses = SyntheticAllocator()
        self._plan: DesiredState = EMPTY
        self._not_ready: Collection[str] = ()
        self._objects: dict[tuple[str, str, str, str], Resource] = {}

    def apply(self, resources: Iterable[Resource], *, not_ready: Collection[str] = ()) -> None:
        """Applies the resources; pods of the workloads named in `not_ready` are not ready."""
        self._objects = carry_over(self._objects, resources)
        self._not_ready = not_ready
        self._plan = plan(self._objects.values(), (), self._addresses, self._plan)

    def _catalog(self, state: DesiredState) -> Catalog:
        return state.catalog.with_pods(
            pod.as_endpoint(ready=pod.workload.name not in self._not_ready)
            for pod in (*state.pods.values(), *state.gateways.values())
        )

    @property
    def workloads(self) -> list[str]:
        """The names of all workloads that have pods."""
        return sorted({pod.workload.name for pod in self._plan.pods.values()})

    def cached(self) -> dict[str, ProxyConfig]:
        """The configuration of each proxy, with the results of earlier applies at hand."""
        catalog = self._catalog(self._plan)
        configs = {proxy.name: translate(catalog, proxy, self._cache) for proxy in self._plan.proxies}
        self._cache.forget_unused()
        return configs

    def from_scratch(self) -> dict[str, ProxyConfig]:
        """The configuration of each proxy, from a catalog that is built again and without a cache."""
        state = plan(self._objects.values(), (), self._addresses, EMPTY)
        catalog = self._catalog(state)
        return {proxy.name: translate(catalog, proxy) for proxy in state.proxies}

    def snapshots(self) -> dict[str, Snapshot]:
        """What is sent to each proxy."""
        snapshots = {name: self._encoder.snapshot(config) for name, config in self.cached().items()}
        self._encoder.forget_unused()
        return snapshots
