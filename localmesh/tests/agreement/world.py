"""The pods of every generated mesh. They never change, so one running mesh serves all configurations."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from localmesh.catalog import Proxy
from localmesh.cli.host_certificates import HostAuthority
from localmesh.explain import OUTSIDE, Explainer
from localmesh.explain.connections import passes_connections
from localmesh.manifests import load_text
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.agreement.asking import SECONDS
from localmesh.tests.agreement.gateways import CREDENTIAL, EGRESS
from localmesh.tests.analysis.meshes import NETWORKING, ROOT, Json, manifest, text, unique
from localmesh.translate import listeners
from localmesh.translate.from_manifests import find
from localmesh.xds import server

FLAGS_HEADER = "x-response-flags"
"""The response header with Envoy's response flags, in answers that a proxy gives itself."""
GATEWAY = "istio-ingressgateway"
SENDERS = ("x-v1.a", "y-v1.a", "x-v1.b", OUTSIDE)


def _workload(namespace: str, app: str, version: str, *, sidecar: bool = True) -> list[Json]:
    labels = {"app": app, "version": version}
    annotations = {} if sidecar else {"sidecar.istio.io/inject": "false"}
    pod = {
        "serviceAccountName": app,
        "containers": [{"name": "web", "image": "stub", "ports": [{"containerPort": 8080}]}],
    }
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return [
        manifest("v1", "ServiceAccount", namespace, app),
        manifest("apps/v1", "Deployment", namespace, f"{app}-{version}", spec=spec),
    ]


def _service(namespace: str, name: str, ports: Mapping[str, int]) -> Json:
    entries = [{"name": name, "port": number, "targetPort": 8080} for name, number in ports.items()]
    return manifest("v1", "Service", namespace, name, spec={"selector": {"app": name}, "ports": entries})


WORKLOADS = [
    *_workload("a", "x", "v1"),
    *_workload("a", "x", "v2"),
    *_workload("a", "y", "v1"),
    *_workload("b", "x", "v1"),
    *_workload("b", "plain", "v1", sidecar=False),
]
SERVICES = [
    _service("a", "x", {"http": 80, "http-alt": 8080}),
    _service("a", "y", {"http": 80}),
    _service("b", "x", {"http": 80, "any": 8080}),
    _service("b", "plain", {"http": 80}),
]

EDGE = manifest(
    NETWORKING,
    "Gateway",
    "a",
    "edge",
    spec={
        "selector": {"istio": "ingressgateway"},
        "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}],
    },
)
"""The Gateway of meshes whose configuration has no other of this name: without one no gateway runs."""


@dataclass(frozen=True, slots=True)
class World:
    """A running mesh with the pods of this module, to which configurations are applied.

    `base` are the Gateways of every configuration that has no others of their names.
    """

    mesh: Mesh
    loop: asyncio.AbstractEventLoop
    base: tuple[Json, ...]
    _numbers: Iterator[int] = field(default_factory=count)

    def apply(self, objects: Iterable[Json]) -> Explainer:
        """Makes these objects the configuration of the pods; returns what explains it from manifests alone.

        Raises ManifestError and errors of Envoy. The explained objects are the mesh's, which are in the order
        of their age: one that was applied before is older, which decides between VirtualServices.
        """
        objects = unique((*objects, *self.base, _certificate(), *SERVICES, *WORKLOADS))
        loaded = load_text(text(_with_new_connections(objects, next(self._numbers))))
        self._run(self.mesh.apply(loaded.resources, loaded.ignored))
        return Explainer.of(self.mesh.desired_state.resources)

    def proxy(self, sender: str) -> Proxy:
        """The proxy that takes a sender's requests."""
        return find(self.mesh.desired_state.proxies, GATEWAY if sender == OUTSIDE else sender)

    def workload_of(self, pod: str) -> str:
        """The workload of a pod, with its namespace; "" for no pod."""
        keys = {
            key[1]: f"{running.planned.workload.name}.{key[0]}" for key, running in self.mesh.pods.items()
        }
        return keys[pod] if pod else ""

    def shows_callers(self, workload: str) -> bool:
        """Whether the sidecar of a workload tells it who calls: not where it passes connections on."""
        if not workload or workload.startswith("plain"):
            return False
        listeners = self.mesh.config_of(find(self.mesh.desired_state.proxies, workload)).listeners
        inbound = [each for each in listeners if each["name"] == "inbound_8080"]
        return not any(passes_connections(each["filterChains"][0]) for each in inbound)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


@cache
def _certificate() -> Json:
    """The Secret of servers with TLS; clients accept any certificate."""
    pair = HostAuthority(days=1).issue(["shop.test"])
    data = {"tls.crt": pair.certificate.decode(), "tls.key": pair.private_key.decode()}
    return manifest("v1", "Secret", ROOT, CREDENTIAL, stringData=data)


def _with_new_connections(objects: Iterable[Json], number: int) -> Iterator[Json]:
    """The objects with a timeout that no earlier configuration had, so that Envoys replace all clusters.

    A connection that is kept alive would stay in the mTLS mode that it was opened with.
    """
    timeout = {"connectTimeout": f"{10_000 + number}ms"}
    for item in objects:
        yield _with_timeout(item, timeout) if item["kind"] == "DestinationRule" else item
    spec = {"host": "*", "trafficPolicy": {"connectionPool": {"tcp": timeout}}}
    yield manifest(NETWORKING, "DestinationRule", ROOT, "all", spec=spec)


def _with_timeout(rule: Json, timeout: Json) -> Json:
    policy = rule["spec"].get("trafficPolicy") or {}
    pool = {**policy.get("connectionPool", {}), "tcp": timeout}
    return {**rule, "spec": {**rule["spec"], "trafficPolicy": {**policy, "connectionPool": pool}}}


_ANY_STATUS = {
    "statusCodeFilter": {"comparison": {"op": "GE", "value": {"defaultValue": 0, "runtimeKey": "any"}}}
}
_SHOWN_FLAGS = {
    "mappers": [
        {
            "filter": _ANY_STATUS,
            "headersToAdd": [{"header": {"key": FLAGS_HEADER, "value": "%RESPONSE_FLAGS%"}}],
        }
    ]
}


@contextmanager
def world(folder: Path, *, with_egress: bool) -> Iterator[World]:
    """Runs the mesh on an event loop in a thread of its own, with proxies that show their response flags.

    Proxies may take their time: on a busy machine it is not how fast they are that is compared.
    """
    flags = patch.dict(listeners._COMMON_OPTIONS, localReplyConfig=_SHOWN_FLAGS)
    with flags, patch.object(server, "_ANSWER_SECONDS", SECONDS):
        yield from _world(folder, (EDGE, EGRESS) if with_egress else (EDGE,))


def _world(folder: Path, base: tuple[Json, ...]) -> Iterator[World]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    mesh = Mesh(MeshSettings(folder / "state", folder))
    running = World(mesh, loop, base)
    try:
        running._run(mesh.__aenter__())
        try:
            running.apply(())
            yield running
        finally:
            running._run(mesh.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
