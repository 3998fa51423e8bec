"""Several proofs one after the other on one mesh; whatever the outcome of one, the next has its turn.

Before an overlay is applied, all requests of the proof before have ended: pods count requests that hang when
they end, and would count them for the wrong scenario.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadgen.deploy import Deployer
from loadgen.errors import NotReachable, Refused
from loadgen.http1 import Target
from loadgen.meshstate import MeshApi
from loadgen.meshstate.pods import IN_FLIGHT_METRIC, METRICS_PORT, is_running, name_of, sample_sum
from loadgen.meshstate.resources import Object
from loadgen.proofs.common.proof import Proof, ProofContext, Result, run
from loadgen.statistics.judge import Cause, Check, failed, inconclusive

IDLE_SECONDS = 30.0
POLL_SECONDS = 0.1

AnyProof = Proof[Any, Any]
ContextOf = Callable[[AnyProof], ProofContext]
Tell = Callable[[str], None]
"""Prints one sentence for the user."""


def prove_current(proofs: Sequence[AnyProof], context_of: ContextOf) -> Iterator[Result]:
    """Run each proof once on the current configuration and yield its result."""
    return _until_interrupted(proofs, context_of, lambda proof: run(proof, context_of(proof)))


def prove_overlays(
    proofs: Sequence[AnyProof], overlays: Mapping[str, Path], deployer: Deployer, context_of: ContextOf
) -> Iterator[Result]:
    """Run each proof once on its own overlay and yield its result."""
    return _until_interrupted(
        proofs,
        context_of,
        lambda proof: _prove_overlay(proof, overlays[proof.scenario], deployer, context_of),
    )


def _until_interrupted(
    proofs: Sequence[AnyProof], context_of: ContextOf, prove: Callable[[AnyProof], Result]
) -> Iterator[Result]:
    """Ctrl-C ends the sequence; the results of the remaining proofs say that they did not run."""
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
        reason = "not run: ended by Ctrl-C before its turn"
        result = _without_verdict(proof, context_of(proof).gateway, Cause.INTERRUPTED, reason)
        yield replace(result, interrupted=True)


def _prove_overlay(proof: AnyProof, overlay: Path, deployer: Deployer, context_of: ContextOf) -> Result:
    """Apply the overlay and run the proof; the duration is that of both."""
    started = time.monotonic()
    context = context_of(proof)
    try:
        refused = _apply(deployer, overlay, context.api)
        result = run(proof, context) if refused is None else _result(proof, context.gateway, refused)
    except NotReachable as error:
        result = _without_verdict(proof, context.gateway, Cause.UNREACHABLE, str(error))
        result = replace(result, unreachable=True)
    return replace(result, seconds=time.monotonic() - started)


def _apply(deployer: Deployer, overlay: Path, api: MeshApi) -> Check | None:
    """Apply the overlay; returns a failed check if the mesh refuses it."""
    wait_until_idle(api)
    try:
        deployer.apply(overlay)
    except Refused as refusal:
        return failed("applied", str(overlay), str(refusal))
    return None


def _without_verdict(proof: AnyProof, gateway: Target, cause: Cause, reason: str) -> Result:
    return _result(proof, gateway, inconclusive("completed", proof.proves, cause, reason))


def _result(proof: AnyProof, gateway: Target, check: Check) -> Result:
    return Result(proof.scenario, proof.proves, gateway, (check,))


def wait_until_idle(api: MeshApi) -> None:
    """Wait until no pod has a request in flight, as far as their metrics can be read."""
    end = time.monotonic() + IDLE_SECONDS
    with suppress(NotReachable):
        while _in_flight(api) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)


def _in_flight(api: MeshApi) -> float:
    pods = (name_of(pod) for pod in api.pods() if is_running(pod) and _has_metrics(pod))
    return sum(sample_sum(api.pod_text(pod, METRICS_PORT, "metrics"), IN_FLIGHT_METRIC) for pod in pods)


def _has_metrics(pod: Object) -> bool:
    containers = pod["spec"]["containers"]
    ports = (port for container in containers for port in container.get("ports") or ())
    return any(port["containerPort"] == METRICS_PORT for port in ports)


@contextmanager
def restored(deployer: Deployer, tell: Tell) -> Iterator[None]:
    """Restore the previous configuration at the end, whatever happens meanwhile."""
    deployer.save()
    try:
        yield
    finally:
        try:
            if not deployer.restore():
                tell("there was no configuration before, so the last overlay stays")
        except NotReachable as error:
            tell(f"the previous configuration could not be restored: {error}")
