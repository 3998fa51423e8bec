"""The live view of a mesh: asks the Envoys for their statistics once a second, while somebody is looking."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp

from localmesh.catalog import Address
from localmesh.explain import Explainer
from localmesh.runtime.background import start_task, stop_tasks
from localmesh.runtime.changes import Changes
from localmesh.runtime.mesh import Mesh
from localmesh.server.status import gateways
from localmesh.telemetry.frames import EndpointsSeen, Frame, frame_of, point, summary
from localmesh.telemetry.graph import Graph, graph_of, node_of
from localmesh.telemetry.request_stats import QUERY, ProxyCounts, read, read_endpoints

Json = dict[str, Any]
ProxyName = tuple[str, str]

PERIOD_SECONDS = 1.0
_MOST_OF_A_CORE = 0.1
"""Where asking all Envoys takes longer, they are asked less often."""
_RECENT = 5
"""How many frames rates are averaged over."""
_SHARES = 60
"""How many frames shares are counted over, since the last change at most."""
_POINTS = 180
_EVENTS = 50
_TIMEOUT = aiohttp.ClientTimeout(total=2)
_QUEUED = 50

_log = logging.getLogger(__name__)


class LiveView:
    """What the page shows of a mesh; costs nothing while nobody is subscribed."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._subscribers: set[asyncio.Queue[str | None]] = set()
        self._polling: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._graph: Graph | None = None
        self._published: Graph | None = None
        self._drawing = asyncio.Lock()
        self._explainer: Explainer | None = None
        self._shown: object = None
        self._seen: dict[tuple[str, str], None] = {}
        self._before: dict[ProxyName, ProxyCounts] = {}
        self._endpoints: dict[ProxyName, EndpointsSeen] = {}
        self._asked = 0.0
        self._shown_pods: Json = {}
        self._recent: deque[Frame] = deque(maxlen=_RECENT)
        self._since_change: deque[Frame] = deque(maxlen=_SHARES)
        self._is_mixed = False
        """Whether the next frame has requests of the configuration before."""
        self._points: dict[str, deque[list[float | None]]] = {}
        self._applies: deque[Json] = deque(maxlen=_EVENTS)
        self._proofs: deque[Json] = deque(maxlen=_EVENTS)

    def applied(self, changes: Changes) -> None:
        """Marks that the configuration has changed; shares are counted anew."""
        mark = {
            "time": time.time(),
            "generation": self._mesh.generation,
            "added": changes.added,
            "changed": changes.changed,
            "removed": changes.removed,
        }
        self._applies.append(mark)
        self._since_change.clear()
        self._is_mixed = True
        self._seen.clear()
        self._changed.set()
        self._publish("apply", mark)

    def proven(self, scenarios: list[Json]) -> None:
        """Shows the verdicts of `loadgen prove`."""
        for scenario in scenarios:
            self._proofs.append({"time": time.time(), **scenario})
            self._publish("proof", self._proofs[-1])

    async def close(self) -> None:
        """Ends all subscriptions, and stops asking."""
        for queue in self._subscribers:
            _end(queue)
        await stop_tasks(self._polling)

    @contextmanager
    def subscribed(self) -> Iterator[asyncio.Queue[str | None]]:
        """The events from now on, as server-sent events; None at the end."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUED)
        self._subscribers.add(queue)
        if self._polling is None:
            self._polling = start_task(self._poll(), "asking Envoys for the live page")
        try:
            yield queue
        finally:
            self._subscribers.discard(queue)
            if not self._subscribers and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def state(self) -> str:
        """Everything that a page needs at the beginning, as an event."""
        graph = await self._current_graph()
        self._published = self._published or graph
        return _event(
            "state",
            {
                "graph": graph.as_json(),
                "mesh": self._of_mesh(),
                "points": {edge: list(points) for edge, points in self._points.items()},
                "applies": list(self._applies),
                "proofs": list(self._proofs),
            },
        )

    async def explainer(self) -> Explainer:
        """What explains the current configuration."""
        await self._current_graph()
        assert self._explainer is not None  # noqa: S101 - `_current_graph` has made it
        return self._explainer

    async def graph(self) -> Graph:
        """The current graph."""
        return await self._current_graph()

    async def _poll(self) -> None:
        self._before.clear()
        self._endpoints.clear()
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as client:
            while True:
                spent = time.process_time()
                try:
                    await self._look(client)
                except Exception:
                    _log.exception("the live page cannot be updated")
                pause = max(PERIOD_SECONDS, (time.process_time() - spent) / _MOST_OF_A_CORE)
                try:
                    await asyncio.wait_for(self._changed.wait(), pause)
                    await self._publish_graph()
                except TimeoutError:
                    pass

    async def _look(self, client: aiohttp.ClientSession) -> None:
        """Asks all Envoys once, and publishes what has happened since the last time."""
        await self._publish_graph()
        graph = await self._current_graph()
        asked = dict(self._proxies())
        now = time.monotonic()
        answers = await asyncio.gather(*(self._counts(client, each) for each in asked.values()))
        counted = {name: counts for name, counts in zip(asked, answers, strict=True) if counts is not None}
        added = {
            name: counts.since(self._before[name]) for name, counts in counted.items() if name in self._before
        }
        unknown = {
            (graph.sources[name], cluster)
            for name, counts in added.items()
            if name in graph.sources
            for cluster in counts.clusters
        } - self._seen.keys()
        if unknown:
            self._seen |= dict.fromkeys(sorted(unknown))
            await self._publish_graph()
            graph = await self._current_graph()
        endpoints = await self._watched(client, graph, asked)
        seconds = now - self._asked
        kept = {name: counts for name, counts in self._before.items() if name in asked}
        self._before, self._asked = kept | counted, now
        if added:
            self._publish_frame(frame_of(graph, seconds, added, endpoints, self._nodes_by_address()))

    def _publish_frame(self, frame: Frame) -> None:
        moment = round(time.time(), 2)
        self._recent.append(frame)
        if not self._is_mixed:
            self._since_change.append(frame)
        self._is_mixed = False
        graph = self._graph
        if graph is None:
            return
        tcp = graph.tcp_edges
        points = {
            edge: point(requests, frame.seconds, is_tcp=edge in tcp) for edge, requests in frame.edges.items()
        }
        for edge, values in points.items():
            self._points.setdefault(edge, deque(maxlen=_POINTS)).append([moment, *values])
        shown = summary(self._recent, self._since_change, graph)
        pods = self._pods()
        changed = {"pods": pods} if pods != self._shown_pods else {}
        self._shown_pods = pods
        self._publish("frame", {"time": moment, "points": points, **changed, **shown})

    async def _publish_graph(self) -> None:
        """Publishes the graph if it is another one than before."""
        self._changed.clear()
        graph = await self._current_graph()
        if graph is not self._published:
            self._published = graph
            self._publish("graph", {"graph": graph.as_json(), "mesh": self._of_mesh()})

    async def _current_graph(self) -> Graph:
        """The graph, made anew if the mesh has changed or another link was seen."""
        mesh = self._mesh
        async with self._drawing:
            ready = tuple(pod.ready for pod in mesh.pods.values())
            current = (mesh.generation, id(mesh.desired_state), tuple(mesh.pods), ready, tuple(self._seen))
            if self._graph is None or self._shown != current:
                state = mesh.desired_state
                explainer = Explainer(mesh.catalog, state.proxies)
                seen = tuple(self._seen)
                graph = await asyncio.to_thread(graph_of, explainer, state.catalog.workloads, seen)
                self._explainer, self._graph, self._shown = explainer, graph, current
            return self._graph

    def _proxies(self) -> Iterator[tuple[ProxyName, Address]]:
        """Where each proxy answers for its statistics."""
        sidecars = (pod.sidecar for pod in self._mesh.pods.values() if pod.sidecar is not None)
        for kept in (*sidecars, *self._mesh.gateways.values()):
            yield (kept.proxy.namespace, kept.proxy.name), kept.statistics

    async def _counts(self, client: aiohttp.ClientSession, proxy: Address) -> ProxyCounts | None:
        document = await _answer(client, f"http://{proxy}/stats", QUERY)
        return None if document is None else read(document)

    async def _watched(
        self, client: aiohttp.ClientSession, graph: Graph, proxies: Mapping[ProxyName, Address]
    ) -> dict[ProxyName, tuple[EndpointsSeen, EndpointsSeen]]:
        """The endpoints, before and now, of the clusters for which the graph needs them."""
        wanted: dict[ProxyName, list[str]] = {}
        for link in graph.links:
            if link.watches_endpoints:
                for name, source in graph.sources.items():
                    if source == link.source and name in proxies:
                        wanted.setdefault(name, []).append(link.cluster)
        found = {}
        for name, clusters in wanted.items():
            pattern = f"^(?:{'|'.join(map(re.escape, clusters))})$"
            url = f"http://{proxies[name]}/clusters"
            document = await _answer(client, url, {"format": "json", "filter": pattern})
            if document is not None:
                now = read_endpoints(document)
                found[name] = (self._endpoints.get(name, now), now)
                self._endpoints[name] = now
        return found

    def _nodes_by_address(self) -> Mapping[str, str]:
        return {
            str(address): f"{pod.namespace}/{pod.workload}"
            for pod in self._mesh.catalog.pods
            for address in pod.addresses.values()
        }

    def _pods(self) -> dict[str, list[Json]]:
        """The pods of each node, with the addresses at which they are called."""
        pods: dict[str, list[Json]] = {}
        addresses = {(pod.namespace, pod.name): pod.addresses for pod in self._mesh.catalog.pods}
        for key, pod in sorted(self._mesh.pods.items()):
            workload = pod.planned.workload
            sidecar = pod.sidecar
            pods.setdefault(f"{workload.namespace}/{workload.name}", []).append(
                {
                    "name": key[1],
                    "ready": pod.ready,
                    "state": pod.application.state.value,
                    "restarts": pod.application.restarts,
                    "proxyReady": sidecar.ready if sidecar is not None else None,
                    "proxyRestarts": sidecar.restarts if sidecar is not None else 0,
                    "addresses": [str(address) for address in addresses.get(key, {}).values()],
                }
            )
        for key, gateway in sorted(self._mesh.gateways.items()):
            pods.setdefault(node_of(gateway.proxy), []).append(
                {
                    "name": key[1],
                    "ready": gateway.ready,
                    "state": "Ready" if gateway.ready else "Running",
                    "restarts": 0,
                    "proxyReady": gateway.ready,
                    "proxyRestarts": gateway.restarts,
                    "addresses": [],
                }
            )
        return pods

    def _of_mesh(self) -> Json:
        return {
            "generation": self._mesh.generation,
            "gateways": gateways(self._mesh),
            "pods": self._pods(),
            "time": time.time(),
        }

    def _publish(self, event: str, data: Json) -> None:
        if not self._subscribers:
            return
        text = _event(event, data)
        for queue in tuple(self._subscribers):
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:  # a page that does not read: its connection is closed
                self._subscribers.discard(queue)
                _end(queue)


def _end(queue: asyncio.Queue[str | None]) -> None:
    """Makes room if there is none."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)


async def _answer(client: aiohttp.ClientSession, url: str, query: Mapping[str, str]) -> Any:
    """What an Envoy's admin interface answers; None if it does not, as while it is restarted."""
    try:
        async with client.get(url, params=query) as answer:
            return await answer.json() if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


def _event(name: str, data: Json) -> str:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
