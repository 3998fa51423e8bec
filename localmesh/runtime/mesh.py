"""The running mesh. Applies a new desired state atomically."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from localmesh import DEFAULT_TRACE_SAMPLING
from localmesh.analysis import analyze
from localmesh.catalog import Address, Catalog, MutualTls, Proxy
from localmesh.catalog.addressing import PlannedPod
from localmesh.catalog.locality import Locality
from localmesh.manifests import Resource, located, uncollected
from localmesh.manifests.positions import Source
from localmesh.problems import Place, Problem
from localmesh.runtime.background import attempt, start_task, stop_tasks
from localmesh.runtime.changes import Changes, ObjectKey, carry_over, changes
from localmesh.runtime.desired_state import EMPTY, DesiredState, PodKey, plan
from localmesh.runtime.issuer_keys import IssuerKeys, address_in_mesh
from localmesh.runtime.processes.envoy import node_id
from localmesh.runtime.processes.process_runtime import ProcessRuntime
from localmesh.runtime.protocols import MeshPart, RunningPod, RunningProxy, Runtime
from localmesh.runtime.workloads.programs import Programs
from localmesh.telemetry.export import SpanExporter
from localmesh.telemetry.spans import SpanStore, receiver
from localmesh.translate import ProxyConfig, TranslationCache, intercepts, translate
from localmesh.xds import AdsServer, Encoder, Snapshot
from localmesh.xds.certificate_authority import DEFAULT_LIFETIME, CertificateAuthority
from localmesh.xds.secrets import secrets

_LAST_GRACE_SECONDS = 1.0
_NO_SOURCES: Mapping[Place, Source] = {}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """Where a mesh lives.

    `ingress_ports` fixes the real ports of Istio's ingress gateway by target port (8080: HTTP).
    """

    state_folder: Path
    working_directory: Path
    ingress_ports: Mapping[int, int] = field(default_factory=dict)
    run_commands: bool = True
    """Whether the commands of containers are run; otherwise stubs take their place."""
    zones: tuple[Locality, ...] = ()
    """The localities of the pretended nodes."""
    certificate_lifetime: timedelta = DEFAULT_LIFETIME
    trace_sampling: float = DEFAULT_TRACE_SAMPLING
    """The percentage of requests that a trace begins with, unless the configuration says otherwise."""


class Mesh:
    """All pods and proxies of one mesh; an asynchronous context manager.

    `runtime` says where pods and proxies run; by default as processes of this machine. `generation` counts
    the changes that were applied.
    """

    def __init__(self, settings: MeshSettings, runtime: Runtime | None = None) -> None:
        self.settings = settings
        self.generation = 0
        self.desired_state: DesiredState = EMPTY
        self.pods: dict[PodKey, RunningPod] = {}
        self.gateways: dict[PodKey, RunningProxy] = {}
        self._runtime: Runtime = runtime or ProcessRuntime(
            settings.state_folder,
            Programs(settings.working_directory, settings.run_commands),
            settings.ingress_ports,
            settings.zones,
        )
        self._exporter = SpanExporter.of(os.environ)
        self.spans = SpanStore(self._exporter.put if self._exporter is not None else None)
        self._ads = AdsServer([receiver(self.spans)])
        self._encoder = Encoder()
        self._cache = TranslationCache()
        self._authority = CertificateAuthority(settings.certificate_lifetime)
        self._objects: Mapping[ObjectKey, Resource] = {}
        self._warnings: tuple[DesiredState, tuple[Problem, ...], tuple[Problem, ...]] = (EMPTY, (), ())
        self._applying = asyncio.Lock()
        self._rolling_out = asyncio.Lock()
        self._readiness_changed = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._rotation: asyncio.Task[None] | None = None
        self._exporting: asyncio.Task[None] | None = None
        self._issuer_keys = IssuerKeys(self._address_in_mesh, lambda: self._roll_out(self.desired_state))
        self._key_renewal: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._runtime.open(self._ads, self._readiness_changed.set)
        self._follower = start_task(self._follow_readiness(), "following the readiness of pods")
        self._rotation = start_task(self._rotate_in_time(), "rotating certificates")
        if self._exporter is not None:
            self._exporting = start_task(self._exporter.run(), "exporting spans")
        self._key_renewal = start_task(self._issuer_keys.follow(), "renewing the keys of issuers")
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await stop_tasks(self._rotation, self._follower, self._key_renewal, self._exporting)
        # Without gateways no client waits for an answer any more: pods get a short grace period.
        await _stop_all(gateway.stop() for gateway in self.gateways.values())
        await _stop_all(pod.stop(_LAST_GRACE_SECONDS) for pod in self.pods.values())
        await self._ads.stop()
        await self._runtime.close()

    @property
    def ready(self) -> bool:
        """Whether manifests have been applied, and every pod and gateway is ready."""
        running = [pod for pod in self.pods.values() if not pod.application.done]
        parts: list[MeshPart] = [*running, *self.gateways.values()]
        return self.generation > 0 and all(part.ready for part in parts)

    @property
    def owner_environment(self) -> Mapping[str, str]:
        """Environment for programs that have to end with the mesh, even if it is killed."""
        return self._runtime.owner_environment

    @property
    def catalog(self) -> Catalog:
        """The catalog of the current configuration, with the pods as they are now."""
        return self._catalog(self.desired_state)

    def serves_api_at(self, url: str) -> None:
        """Where the API is from now on; pods that start later learn it as LOCALMESH_URL."""
        self._runtime.api_url = url

    def synced(self, proxy: Proxy) -> bool:
        """Whether a proxy has acknowledged the configuration that was sent to it."""
        return self._ads.synced(node_id(proxy))

    def config_of(self, proxy: Proxy) -> ProxyConfig:
        """The current configuration of a proxy."""
        return translate(self._catalog(self.desired_state), proxy)

    def warnings(self) -> tuple[Problem, ...]:
        """What Istio accepts in the current configuration and cannot work."""
        state = self.desired_state
        found = (*analyze(state.catalog), *self.momentary_warnings())
        if self._warnings[0] is not state or self._warnings[1] != found:  # lines take long to find
            self._warnings = (state, found, located(found, state.sources))
        return self._warnings[2]

    def momentary_warnings(self) -> tuple[Problem, ...]:
        """What is run otherwise than the manifests say, and issuers whose keys cannot be fetched."""
        unfetched = self._issuer_keys.problems(self.desired_state.catalog)
        return (*self.desired_state.warnings, *unfetched)

    def external_address(self, pod: RunningPod, port: int) -> Address | None:
        """Where a client outside the mesh reaches a container port of a pod, as in a cluster.

        That is the sidecar, in plain text, if a Service sends HTTP to the port, else the application.
        Istio's sidecars intercept all other ports, too; `requires_mtls` says what they would do there.
        """
        proxy, real_port = pod.planned.proxy, pod.planned.ports.get(port)
        if real_port is None or pod.application.host is None:
            return None
        if proxy is not None and intercepts(self._catalog(self.desired_state), proxy, port):
            return pod.as_endpoint(pod.planned).addresses[port]
        return Address(pod.application.host, real_port)

    def requires_mtls(self, pod: RunningPod, port: int) -> bool:
        """Whether Istio would accept mTLS only at a container port that no sidecar intercepts here."""
        catalog, proxy = self._catalog(self.desired_state), pod.planned.proxy
        if proxy is None or intercepts(catalog, proxy, port):
            return False
        return catalog.peer_authentications.mode(proxy.namespace, proxy.labels, port) is MutualTls.STRICT

    async def apply(
        self,
        resources: Iterable[Resource],
        ignored: Iterable[Resource] = (),
        *,
        sources: Mapping[Place, Source] = _NO_SOURCES,
        review: Callable[[Catalog], object] | None = None,
        announce: Callable[[DesiredState], None] | None = None,
    ) -> Changes:
        """Makes these resources the configuration; returns when every proxy has acknowledged it.

        `sources` says where they were read, for the lines of warnings.
        `announce` is called before anything starts. `review` is called in a thread before anything changes,
        and may refuse the change by an exception.
        Raises ManifestError, PodFailedError, EnvoyError, RejectedError or NotAcknowledgedError; the previous
        configuration then still applies.
        """
        async with self._applying:
            objects = carry_over(self._objects, resources)
            with uncollected():
                desired = plan(
                    objects.values(),
                    ignored,
                    self._runtime.addresses,
                    self.desired_state,
                    self._runtime.programs,
                )
            desired = replace(desired, sources=_sources_of(desired, sources))
            if announce is not None:
                announce(desired)
            if review is not None:
                await asyncio.to_thread(review, desired.catalog)
            changed = changes(self._objects, objects)
            await self._transition_to(desired)
            self._objects = objects
            self.generation += 1
            # Exclude the live configuration from garbage collection: with 1,000 Services, looking
            # through it would add 40 ms to the next apply.
            gc.freeze()
            return changed

    async def rotate_certificates(self) -> None:
        """Issues a new certificate and key to every proxy, without ending connections.

        Raises NotAcknowledgedError.
        """
        self._authority.rotate()
        await self._roll_out(self.desired_state)

    async def _transition_to(self, desired: DesiredState) -> None:
        """Starts new pods, then sends the routes to them, then stops pods that are no longer wanted."""
        before = self.desired_state
        removed = self.outdated(desired)
        added = [pod for key, pod in desired.pods.items() if key not in self.pods or key in removed]
        early, late = _start_order(added, [self.pods[key] for key in removed])
        try:
            await asyncio.gather(self._start(desired, early), self._issuer_keys.require(desired.catalog))
            await self._roll_out(desired)
        except BaseException:
            await self._undo(before)
            raise
        removed_gateways = [key for key in self.gateways if key not in desired.gateways]
        if removed or removed_gateways or late:
            await self._stop(removed, removed_gateways)
            await self._start(desired, late)
            await self._roll_out(desired)
        self._issuer_keys.forget_others(desired.catalog)
        for key, pod in self.pods.items():
            pod.planned = desired.pods[key]

    def outdated(self, desired: DesiredState) -> list[PodKey]:
        """The running pods that are not wanted any more, or whose template has changed under their name.

        So have those that are told other addresses of the hosts which they call by TCP.
        """
        return [
            key
            for key, pod in self.pods.items()
            if (wanted := desired.pods.get(key)) is None
            or wanted.workload.restart_key != pod.planned.workload.restart_key
            or wanted.told != pod.planned.told
        ]

    async def _start(self, desired: DesiredState, planned: list[PlannedPod]) -> None:
        catalog = self._catalog(desired)
        pods = {(pod.workload.namespace, pod.name): self._runtime.pod(pod, desired.config) for pod in planned}
        gateways = {
            key: self._runtime.gateway(gateway)
            for key, gateway in desired.gateways.items()
            if key not in self.gateways
        }
        self.pods |= pods
        self.gateways |= gateways
        if self.desired_state is EMPTY:
            self.desired_state = desired
        for name, snapshot in self._snapshots(catalog, _proxies(pods.values(), gateways.values())).items():
            self._ads.expect(name, snapshot)
        gc.freeze()  # see `apply`; while proxies take over their configuration, there is garbage to collect
        parts: list[MeshPart] = [*pods.values(), *gateways.values()]
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(part.start())
        except BaseExceptionGroup as errors:
            raise _first(errors) from None

    async def _stop(self, pod_keys: list[PodKey], gateway_keys: list[PodKey]) -> None:
        pods = [self.pods.pop(key) for key in pod_keys]
        gateways = [self.gateways.pop(key) for key in gateway_keys]
        parts: list[MeshPart] = [*pods, *gateways]
        await asyncio.gather(*(part.stop() for part in parts))
        for proxy in _proxies(pods, gateways):
            self._ads.forget(node_id(proxy))

    async def _undo(self, before: DesiredState) -> None:
        self.desired_state = before
        new_pods = [key for key in self.pods if key not in before.pods]
        new_gateways = [key for key in self.gateways if key not in before.gateways]
        if before is not EMPTY:
            await attempt(lambda: self._roll_out(before), "restoring the previous configuration")
        await self._stop(new_pods, new_gateways)

    async def _roll_out(self, desired: DesiredState) -> None:
        async with self._rolling_out:
            self.desired_state = desired
            catalog = self._catalog(desired)
            await self._ads.roll_out(self._snapshots(catalog, self._running(desired)))
            self._cache.forget_unused()
            self._encoder.forget_unused()

    def _running(self, desired: DesiredState) -> list[Proxy]:
        """The running proxies as `desired` has them, without those that are about to be stopped."""
        sidecars = [desired.pods[key].proxy for key in self.pods if key in desired.pods]
        gateways = [desired.gateways[key].proxy for key in self.gateways if key in desired.gateways]
        return [proxy for proxy in (*sidecars, *gateways) if proxy is not None]

    def _snapshots(self, catalog: Catalog, proxies: Iterable[Proxy]) -> dict[str, Snapshot]:
        with uncollected():
            return {node_id(proxy): self._snapshot(catalog, proxy) for proxy in proxies}

    def _snapshot(self, catalog: Catalog, proxy: Proxy) -> Snapshot:
        config = translate(catalog, proxy, self._cache)
        return self._encoder.snapshot(config, secrets(self._authority, catalog.identity(proxy)))

    def _catalog(self, of: DesiredState) -> Catalog:
        """The catalog of a desired state, with its pods as they are now."""
        pods = (
            self.pods[key].as_endpoint(planned) if key in self.pods else planned.as_endpoint(ready=False)
            for key, planned in of.pods.items()
        )
        gateways = (
            planned.as_endpoint(ready=running.ready, host=running.host)
            for key, planned in of.gateways.items()
            if (running := self.gateways.get(key)) is not None
        )
        current = of.catalog.with_pods((*pods, *gateways), self._issuer_keys.known)
        return replace(current, trace_sampling=self.settings.trace_sampling)

    def _address_in_mesh(self, host: str, port: int) -> Address | None:
        return address_in_mesh(self._catalog(self.desired_state), host, port)

    async def _follow_readiness(self) -> None:
        """Sends new endpoints whenever the readiness of a pod changes."""
        while True:
            await self._readiness_changed.wait()
            self._readiness_changed.clear()
            # a proxy that is not connected gets the endpoints when it connects again
            await attempt(lambda: self._roll_out(self.desired_state), "updating endpoints")

    async def _rotate_in_time(self) -> None:
        """Replaces certificates when half of their lifetime is over."""
        while True:
            due = self._authority.renewal_due
            wait = due - datetime.now(UTC) if due else self._authority.lifetime / 2
            await asyncio.sleep(max(wait.total_seconds(), 0))
            if self._authority.renewal_due is not None and self._authority.renewal_due <= datetime.now(UTC):
                await attempt(self.rotate_certificates, "rotating certificates")


async def _stop_all(stops: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Waits for all of them; an error of one must not leave the others running."""
    for error in await asyncio.gather(*stops, return_exceptions=True):
        if isinstance(error, Exception):
            _log.error("stopping a part of the mesh failed", exc_info=error)


def _start_order(
    added: list[PlannedPod], removed: list[RunningPod]
) -> tuple[list[PlannedPod], list[PlannedPod]]:
    """Pods to start before the old ones stop, and those to start after them.

    The latter have the strategy Recreate, or the name of one that is stopped.
    """
    replaced = {(pod.planned.workload.namespace, pod.planned.workload.name) for pod in removed}
    names = {(pod.planned.workload.namespace, pod.planned.name) for pod in removed}
    late = [
        pod
        for pod in added
        if (pod.workload.namespace, pod.name) in names
        or (pod.workload.one_at_a_time and (pod.workload.namespace, pod.workload.name) in replaced)
    ]
    return [pod for pod in added if pod not in late], late


def _proxies(pods: Iterable[RunningPod], gateways: Iterable[RunningProxy]) -> list[Proxy]:
    sidecars = [pod.planned.proxy for pod in pods if pod.planned.proxy is not None]
    return [*sidecars, *(gateway.proxy for gateway in gateways)]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, which may be inside nested groups."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _sources_of(desired: DesiredState, sources: Mapping[Place, Source]) -> Mapping[Place, Source]:
    """The sources of objects that there are; others would keep the texts of former files in memory."""
    objects = (*desired.resources, *desired.ignored)
    if len(sources) <= len(objects):
        return sources  # the usual case: no object was removed or moved
    return {item.place: sources[item.place] for item in objects if item.place in sources}
