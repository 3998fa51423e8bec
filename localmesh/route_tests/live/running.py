"""Sends the requests of cases through a mesh that is started for them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from localmesh.catalog import Address
from localmesh.explain import Hop, HopKind, Request
from localmesh.explain.from_manifests import find
from localmesh.route_tests.entrances import with_entrances
from localmesh.route_tests.live.comparing import cannot_be_sent, disagreements, samples_of
from localmesh.route_tests.live.sending import LiveAnswer, send
from localmesh.route_tests.live.stand_ins import Signer, with_stand_ins
from localmesh.route_tests.run import CaseResult, LiveResult, Run
from localmesh.runtime.mesh import Mesh, MeshSettings

_SENDERS = 16


async def sent_live(runs: Sequence[Run]) -> list[Run]:
    """The same results, each with what real Envoys did. Raises LocalmeshError if no mesh can be started."""
    signer = Signer()
    with tempfile.TemporaryDirectory(prefix="localmesh-test-") as folder:
        async with Mesh(MeshSettings(Path(folder), Path.cwd())) as mesh:
            return [await _sent(run, mesh, signer) for run in runs]


async def _sent(run: Run, mesh: Mesh, signer: Signer) -> Run:
    resources = with_entrances(run.loaded.resources) if run.names_no_source else run.loaded.resources
    await mesh.apply(with_stand_ins(resources, signer))
    sender = _Sender(mesh, signer)
    return replace(run, results=tuple([await sender.sent(result) for result in run.results]))


class _Sender:
    """Sends requests through the proxies of a mesh."""

    def __init__(self, mesh: Mesh, signer: Signer) -> None:
        self._proxies = mesh.desired_state.proxies
        self._signer = signer
        self._workloads = {
            name: f"{namespace}/{pod.planned.workload.name}" for (namespace, name), pod in mesh.pods.items()
        }

    async def sent(self, result: CaseResult) -> CaseResult:
        """The result with what real Envoys did."""
        explanation = result.explanation
        if reason := cannot_be_sent(explanation):
            return replace(result, live=LiveResult(0, not_sent=reason))
        first, request = explanation.hops[0], self._signed(explanation.request)
        address = self._address(first)

        def once(_: int) -> LiveAnswer:
            return send(request, address, through_sidecar=first.kind is HopKind.OUTBOUND)

        def all_of_them() -> list[LiveAnswer]:
            with ThreadPoolExecutor(_SENDERS) as pool:
                return list(pool.map(once, range(samples_of(explanation))))

        answers = await asyncio.to_thread(all_of_them)
        found = tuple(disagreements(explanation, answers, lambda pod: self._workloads.get(pod, pod)))
        return replace(result, live=LiveResult(len(answers), found))

    def _signed(self, request: Request) -> Request:
        """The request with a token that has the claims of the case."""
        if request.claims is None:
            return request
        token = self._signer.token(request.claims)
        return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})

    def _address(self, hop: Hop) -> Address:
        """Where the sidecar takes requests of its application, or the gateway those from outside."""
        proxy = find(self._proxies, f"{hop.workload}.{hop.namespace}")
        if hop.kind is HopKind.OUTBOUND and proxy.outbound is not None:
            return proxy.outbound
        return proxy.listen[int(hop.listener.rpartition("_")[2])]
