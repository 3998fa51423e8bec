"""Several proofs in a row on one mesh: apply, prove, next; whatever happens to one, all have their turn.

Before an overlay is applied, what the proof before it has left under way has ended: requests that hang are
counted by the pods when they end, and would be counted for the wrong scenario.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from loadgen.deploy import Deployer
from loadgen.errors import NotReachable, Refused
from loadgen.http1 import Target
from loadgen.meshstate import MeshApi
from loadgen.meshstate.api import Object
from loadgen.meshstate.metrics import METRICS_PORT, sample_sum
from loadgen.meshstate.pods import name_of, running
from loadgen.proofs.common.proof import Proof, ProofContext, Result, run
from loadgen.statistics.judge import Check, failed, inconclusive

IN_FLIGHT = "sentimesh_http_requests_in_flight"
REST_SECONDS = 30.0
POLL_SECONDS = 0.1

Tell = Callable[[str], None]
"""Says one sentence to whoever watches."""


def prove_as_in_force(
    proofs: Sequence[Proof], bench_for: Callable[[Proof], ProofContext]
) -> Iterator[Result]:
    """Each proof once, of what is in force, one result for each as soon as it is known."""
    return _until_interrupted(proofs, bench_for, lambda proof: run(proof, bench_for(proof)))


def prove_in_turn(
    proofs: Sequence[Proof],
    overlays: Mapping[str, Path],
    stage: Deployer,
    bench_for: Callable[[Proof], ProofContext],
) -> Iterator[Result]:
    """Each proof on its own overlay, one result for each as soon as it is known."""
    return _until_interrupted(
        proofs, bench_for, lambda proof: _proven(proof, overlays[proof.scenario], stage, bench_for)
    )


def _until_interrupted(
    proofs: Sequence[Proof], bench_for: Callable[[Proof], ProofContext], prove: Callable[[Proof], Result]
) -> Iterator[Result]:
    """One after the other; Ctrl-C ends the sequence, and of the rest it is said that they did not run."""
    left = list(proofs)
    try:
        while left:
            result = prove(left[0])
            del left[0]
            yield result
            if result.interrupted:
                break
    except KeyboardInterrupt:
        pass
    for proof in left:
        untold = _untold(proof, bench_for(proof).gateway, "not run: ended by Ctrl-C before its turn")
        yield replace(untold, interrupted=True)


def _proven(
    proof: Proof, overlay: Path, stage: Deployer, bench_for: Callable[[Proof], ProofContext]
) -> Result:
    """The verdict on one scenario, applied first; the time of both."""
    began = time.monotonic()
    bench = bench_for(proof)
    try:
        refused = _refused(stage, overlay, bench.api)
        result = run(proof, bench) if refused is None else _result(proof, bench.gateway, refused)
    except NotReachable as error:
        result = replace(_untold(proof, bench.gateway, str(error)), unreachable=True)
    return replace(result, seconds=time.monotonic() - began)


def _refused(stage: Deployer, overlay: Path, api: MeshApi) -> Check | None:
    """The failed check if the overlay is not taken; None once it is in force."""
    wait_until_idle(api)
    try:
        stage.apply(overlay)
    except Refused as refusal:
        return failed("applied", str(overlay), str(refusal))
    return None


def _untold(proof: Proof, gateway: Target, reason: str) -> Result:
    return _result(proof, gateway, inconclusive("proven", proof.proves, reason))


def _result(proof: Proof, gateway: Target, check: Check) -> Result:
    return Result(proof.scenario, proof.proves, gateway, (check,), {}, ())


def wait_until_idle(api: MeshApi) -> None:
    """Wait until no pod has a request under way, as far as they let themselves be asked."""
    end = time.monotonic() + REST_SECONDS
    with suppress(NotReachable):
        while _under_way(api) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)


def _under_way(api: MeshApi) -> float:
    pods = (name_of(pod) for pod in api.pods() if running(pod) and _tells(pod))
    return sum(sample_sum(api.pod_text(pod, METRICS_PORT, "metrics"), IN_FLIGHT) for pod in pods)


def _tells(pod: Object) -> bool:
    containers = pod["spec"]["containers"]
    ports = (port for container in containers for port in container.get("ports") or ())
    return any(port["containerPort"] == METRICS_PORT for port in ports)


@contextmanager
def put_back(stage: Deployer, tell: Tell) -> Iterator[None]:
    """Whatever happens meanwhile, what was in force before is in force again in the end."""
    stage.remember()
    try:
        yield
    finally:
        try:
            if not stage.put_back():
                tell("nothing was in force before, so the last overlay stays")
        except NotReachable as error:
            tell(f"what was in force before could not be put back: {error}")
