"""Sends the requests of cases through the Envoys of a mesh that is started for them, or of a running one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from localmesh.catalog import Address
from localmesh.explain import Hop, HopKind, Request
from localmesh.route_tests.entrances import with_entrances
from localmesh.route_tests.live.comparing import cannot_be_sent, disagreements, samples_of
from localmesh.route_tests.live.sending import LiveAnswer, send
from localmesh.route_tests.live.stand_ins import Signer, with_stand_ins
from localmesh.route_tests.run import CaseResult, LiveResult, Run
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.translate.formats import address_of
from localmesh.translate.from_manifests import find

_SENDERS = 16

Json = Mapping[str, Any]


class LiveMesh(Protocol):
    """A mesh that takes requests."""

    def address(self, hop: Hop) -> Address:
        """Where a sidecar takes requests of its application, or a gateway those from outside."""

    def workload_of(self, pod: str) -> str:
        """The workload of a pod, as `namespace/name`."""

    def token(self, claims: Json) -> str | None:
        """A token with these claims that the mesh accepts; None if it has no key to sign one."""


async def sent_to_stubs(runs: Sequence[Run]) -> list[Run]:
    """The same results, each with what the Envoys of a mesh of stubs did.

    Raises LocalmeshError if the mesh cannot be started.
    """
    signer = Signer()
    out: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="localmesh-test-") as folder:
        async with Mesh(MeshSettings(Path(folder), Path.cwd())) as mesh:
            for run in runs:
                resources = run.loaded.resources
                entered = with_entrances(resources) if run.names_no_source else resources
                await mesh.apply(with_stand_ins(entered, signer))
                out.append(await asyncio.to_thread(sent, run, StubMesh(mesh, signer)))
    return out


def sent(run: Run, mesh: LiveMesh) -> Run:
    """The same results, each with what the Envoys of a mesh did."""
    with ThreadPoolExecutor(_SENDERS) as pool:
        return replace(run, results=tuple(_sent(result, mesh, pool) for result in run.results))


def _sent(result: CaseResult, mesh: LiveMesh, pool: ThreadPoolExecutor) -> CaseResult:
    explanation = result.explanation
    request = _with_token(explanation.request, mesh)
    reason = cannot_be_sent(explanation) if request else "the mesh has no key to sign its token"
    if request is None or reason:
        return replace(result, live=LiveResult(0, not_sent=reason))
    first = explanation.hops[0]
    address, through_sidecar = mesh.address(first), first.kind is HopKind.OUTBOUND

    def once(sample: int) -> LiveAnswer:
        del sample
        return send(request, address, through_sidecar=through_sidecar)

    answers = list(pool.map(once, range(samples_of(explanation))))
    found = tuple(disagreements(explanation, answers, mesh.workload_of))
    return replace(result, live=LiveResult(len(answers), found))


def _with_token(request: Request, mesh: LiveMesh) -> Request | None:
    """The request with a token that has the claims of the case, None if there cannot be one."""
    if request.claims is None:
        return request
    token = mesh.token(request.claims)
    if token is None:
        return None
    return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})


class StubMesh:
    """A mesh in this process, in which stubs answer and tokens of the signer are accepted."""

    def __init__(self, mesh: Mesh, signer: Signer) -> None:
        self._proxies = mesh.desired_state.proxies
        self._workloads = {
            name: f"{namespace}/{pod.planned.workload.name}" for (namespace, name), pod in mesh.pods.items()
        }
        self.token = signer.token

    def address(self, hop: Hop) -> Address:
        """The listener of the proxy."""
        proxy = find(self._proxies, f"{hop.workload}.{hop.namespace}")
        if hop.kind is HopKind.OUTBOUND and proxy.outbound is not None:
            return proxy.outbound
        return proxy.listen[int(hop.listener.rpartition("_")[2])]

    def workload_of(self, pod: str) -> str:
        """By the pods that were started."""
        return self._workloads.get(pod, pod)


class RunningMesh:
    """A mesh that is reached by its API; `get` answers a path of it."""

    def __init__(self, get: Callable[[str], Any]) -> None:
        self._get = get
        self._addresses: dict[tuple[str, str, str], Address] = {}
        pods = get("/mesh")["pods"]
        self._workloads = {pod["name"]: f"{pod['namespace']}/{pod['workload']}" for pod in pods}

    def address(self, hop: Hop) -> Address:
        """The address of the listener in the configuration of the proxy."""
        key = hop.namespace, hop.workload, hop.listener
        if key not in self._addresses:
            listeners = self._get(f"/mesh/proxy-config/{hop.workload}.{hop.namespace}")["listeners"]
            listener = next(each for each in listeners if each["name"] == hop.listener)
            self._addresses[key] = address_of(listener["address"])
        return self._addresses[key]

    def workload_of(self, pod: str) -> str:
        """By the pods of the API."""
        return self._workloads.get(pod, pod)

    def token(self, claims: Json) -> str | None:
        """None: only the issuer can sign."""
        del claims
        return None
