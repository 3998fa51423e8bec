"""The running whole: brought from one plan to another, or not at all."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from localmesh.analysis import analyze
from localmesh.catalog import Address, Catalog, MutualTls, Proxy
from localmesh.catalog.addressing import PlannedPod
from localmesh.manifests import Resource
from localmesh.problems.problem import Problem, by_place
from localmesh.runtime.background import attempt, start_task, stop_tasks
from localmesh.runtime.changes import Changes, ObjectKey, carry_over, changes
from localmesh.runtime.desired_state import EMPTY, DesiredState, PodKey, plan
from localmesh.runtime.processes.envoy import node_id
from localmesh.runtime.processes.process_runtime import ProcessRuntime
from localmesh.runtime.protocols import Running, RunningProxy, RunningWorkload, Runtime
from localmesh.translate import ProxyConfig, TranslationCache, intercepts, translate
from localmesh.xds import AdsServer, Encoder, Snapshot
from localmesh.xds.certificate_authority import DEFAULT_LIFETIME, CertificateAuthority
from localmesh.xds.secrets import secrets

_LAST_GRACE_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """Where a mesh lives.

    `ingress_ports` fixes the real ports of Istio's ingress gateway by target port (8080: HTTP).
    """

    state_folder: Path
    working_directory: Path
    ingress_ports: Mapping[int, int] = field(default_factory=dict)
    certificate_lifetime: timedelta = DEFAULT_LIFETIME


class Mesh:
    """All pods and proxies of one mesh; use as an asynchronous context manager.

    `ground` says where its members run, as processes if nothing else is given. `generation` counts the
    applies that took effect.
    """

    def __init__(self, settings: MeshSettings, ground: Runtime | None = None) -> None:
        self.settings = settings
        self.generation = 0
        self.plan: DesiredState = EMPTY
        self.members: dict[PodKey, RunningWorkload] = {}
        self.gateways: dict[PodKey, RunningProxy] = {}
        self._ground: Runtime = ground or ProcessRuntime(
            settings.state_folder, settings.working_directory, settings.ingress_ports
        )
        self._ads = AdsServer()
        self._encoder = Encoder()
        self._memory = TranslationCache()
        self._authority = CertificateAuthority(settings.certificate_lifetime)
        self._objects: Mapping[ObjectKey, Resource] = {}
        self._warnings: tuple[DesiredState, tuple[Problem, ...]] | None = None
        self._applying = asyncio.Lock()
        self._rolling_out = asyncio.Lock()
        self._readiness_changed = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._rotation: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._ground.open(self._ads, self._readiness_changed.set)
        self._follower = start_task(self._follow_readiness(), "following the readiness of pods")
        self._rotation = start_task(self._rotate_in_time(), "rotating certificates")
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await stop_tasks(self._rotation, self._follower)
        # without gateways no client waits for an answer any more: pods get a short grace period
        await _stop_all(gateway.stop() for gateway in self.gateways.values())
        await _stop_all(member.stop(_LAST_GRACE_SECONDS) for member in self.members.values())
        await self._ads.stop()
        await self._ground.close()

    @property
    def ready(self) -> bool:
        """Whether it was given manifests, and every pod and proxy is ready."""
        parts: list[Running] = [*self.members.values(), *self.gateways.values()]
        return self.generation > 0 and all(part.ready for part in parts)

    @property
    def mark(self) -> Mapping[str, str]:
        """Environment for programs that are to end with the mesh, whatever happens to it."""
        return self._ground.mark

    def synced(self, proxy: Proxy) -> bool:
        """Whether a proxy has acknowledged what it was sent."""
        return self._ads.synced(node_id(proxy))

    def config_of(self, proxy: Proxy) -> ProxyConfig:
        """What a proxy has been told."""
        return translate(self._catalog(self.plan), proxy)

    def warnings(self) -> tuple[Problem, ...]:
        """What Istio accepts in the current configuration and cannot work, computed once for each."""
        if self._warnings is None or self._warnings[0] is not self.plan:
            self._warnings = (self.plan, by_place(analyze(self.plan.catalog)))
        return self._warnings[1]

    def entrance(self, member: RunningWorkload, port: int) -> Address | None:
        """Where somebody outside the mesh reaches a container port of a pod, as in a cluster.

        That is its sidecar, in plain text, where a Service sends HTTP to the port, else the application.
        Istio's sidecars stand before all ports; `is_shut` says what they would do at the others.
        """
        proxy, real = member.placed.proxy, member.placed.ports.get(port)
        if real is None or member.pod.host is None:
            return None
        if proxy is not None and intercepts(self._catalog(self.plan), proxy, port):
            return member.as_endpoint(member.placed).addresses[port]
        return Address(member.pod.host, real)

    def is_shut(self, member: RunningWorkload, port: int) -> bool:
        """Whether a container port that no sidecar here listens for would take nothing but mTLS."""
        catalog, proxy = self._catalog(self.plan), member.placed.proxy
        if proxy is None or intercepts(catalog, proxy, port):
            return False
        return catalog.peer_authentications.mode(proxy.namespace, proxy.labels, port) is MutualTls.STRICT

    async def apply(
        self,
        resources: Iterable[Resource],
        ignored: Iterable[Resource] = (),
        review: Callable[[Catalog], None] | None = None,
    ) -> Changes:
        """Makes the mesh what these resources say; returns when every proxy has acknowledged.

        `review` is called in a thread before anything is changed, and may refuse the mesh by an exception.
        Raises ManifestError, PodFailedError, EnvoyError, RejectedError or NotAcknowledgedError; then what
        was in force before is still in force.
        """
        async with self._applying:
            objects = carry_over(self._objects, resources)
            wanted = plan(objects.values(), ignored, self._ground.addresses, self.plan)
            if review is not None:
                await asyncio.to_thread(review, wanted.catalog)
            found = changes(self._objects, objects)
            await self._become(wanted)
            self._objects = objects
            self.generation += 1
            # what is in force is no garbage: to look through it would cost the next apply 40 ms with
            # 1,000 Services
            gc.freeze()
            return found

    async def rotate_certificates(self) -> None:
        """Gives every proxy a new certificate and key; no connection ends. Raises NotAcknowledgedError."""
        self._authority.rotate()
        await self._roll_out(self.plan)

    async def _become(self, wanted: DesiredState) -> None:
        """New pods first, then the routes to them, then the end of what is no longer wanted."""
        before = self.plan
        gone = [key for key in self.members if key not in wanted.pods]
        early, late = _in_turn(
            [pod for key, pod in wanted.pods.items() if key not in self.members], gone, self
        )
        try:
            await self._start(wanted, early)
            await self._roll_out(wanted)
        except BaseException:
            await self._undo(before)
            raise
        await self._stop(gone, [key for key in self.gateways if key not in wanted.gateways])
        await self._start(wanted, late)
        await self._roll_out(wanted)
        for key, member in self.members.items():
            member.placed = wanted.pods[key]

    async def _start(self, wanted: DesiredState, pods: list[PlannedPod]) -> None:
        catalog = self._catalog(wanted)
        members = {
            (pod.workload.namespace, pod.name): self._ground.member(pod, wanted.config) for pod in pods
        }
        gateways = {
            key: self._ground.gateway(gateway)
            for key, gateway in wanted.gateways.items()
            if key not in self.gateways
        }
        self.members |= members
        self.gateways |= gateways
        if self.plan is EMPTY:
            self.plan = wanted
        for proxy in [*(m.placed.proxy for m in members.values()), *(g.proxy for g in gateways.values())]:
            if proxy is not None:
                self._ads.expect(node_id(proxy), self._snapshot(catalog, proxy))
        parts: list[Running] = [*members.values(), *gateways.values()]
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(part.start())
        except BaseExceptionGroup as errors:
            raise _first(errors) from None

    async def _stop(self, pods: list[PodKey], gateways: list[PodKey]) -> None:
        stopping = [self.members.pop(key) for key in pods]
        leaving = [self.gateways.pop(key) for key in gateways]
        parts: list[Running] = [*stopping, *leaving]
        await asyncio.gather(*(part.stop() for part in parts))
        for proxy in [*(member.placed.proxy for member in stopping), *(each.proxy for each in leaving)]:
            if proxy is not None:
                self._ads.forget(node_id(proxy))

    async def _undo(self, before: DesiredState) -> None:
        self.plan = before
        new_pods = [key for key in self.members if key not in before.pods]
        new_gateways = [key for key in self.gateways if key not in before.gateways]
        if before is not EMPTY:
            await attempt(lambda: self._roll_out(before), "restoring the previous configuration")
        await self._stop(new_pods, new_gateways)

    async def _roll_out(self, wanted: DesiredState) -> None:
        async with self._rolling_out:
            self.plan = wanted
            catalog = self._catalog(wanted)
            snapshots = {node_id(proxy): self._snapshot(catalog, proxy) for proxy in self._running(wanted)}
            await self._ads.roll_out(snapshots)
            self._memory.forget_unused()
            self._encoder.forget_unused()

    def _running(self, wanted: DesiredState) -> list[Proxy]:
        """The proxies that run, as the plan has them; those that it does not want any more are left alone."""
        sidecars = [wanted.pods[key].proxy for key in self.members if key in wanted.pods]
        gateways = [wanted.gateways[key].proxy for key in self.gateways if key in wanted.gateways]
        return [proxy for proxy in (*sidecars, *gateways) if proxy is not None]

    def _snapshot(self, catalog: Catalog, proxy: Proxy) -> Snapshot:
        config = translate(catalog, proxy, self._memory)
        return self._encoder.snapshot(config, secrets(self._authority, proxy.identity))

    def _catalog(self, of: DesiredState) -> Catalog:
        """The plan's catalog with its pods as they are now."""
        pods = (
            self.members[key].as_endpoint(placed) if key in self.members else placed.as_endpoint(ready=False)
            for key, placed in of.pods.items()
        )
        gateways = (
            planned.as_endpoint(ready=running.ready, host=running.host)
            for key, planned in of.gateways.items()
            if (running := self.gateways.get(key)) is not None
        )
        return of.catalog.with_pods((*pods, *gateways))

    async def _follow_readiness(self) -> None:
        """Endpoints follow the readiness of pods for as long as the mesh runs."""
        while True:
            await self._readiness_changed.wait()
            self._readiness_changed.clear()
            # a proxy that is not connected gets the endpoints when it connects again
            await attempt(lambda: self._roll_out(self.plan), "updating endpoints")

    async def _rotate_in_time(self) -> None:
        """Certificates are replaced when half of their life is over, for as long as the mesh runs."""
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


def _in_turn(
    wanted: list[PlannedPod], gone: list[PodKey], mesh: Mesh
) -> tuple[list[PlannedPod], list[PlannedPod]]:
    """Pods to start before the old ones end, and those that must wait for them (strategy Recreate)."""
    ending = {
        (mesh.members[key].placed.workload.namespace, mesh.members[key].placed.workload.name) for key in gone
    }
    late = [
        pod
        for pod in wanted
        if pod.workload.one_at_a_time and (pod.workload.namespace, pod.workload.name) in ending
    ]
    return [pod for pod in wanted if pod not in late], late


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, looked for through groups within it."""
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
