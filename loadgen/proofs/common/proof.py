"""Proofs: what one is, what it works with, and how one is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from loadgen.http1 import Target
from loadgen.measurement.measure import LoadPlan, measure
from loadgen.measurement.measurement import Measurement
from loadgen.meshstate import MeshApi, NotConfigured, Resources, UnsupportedConfig
from loadgen.proofs.common.live_update import Change, change_localmesh
from loadgen.statistics.judge import Check, Verdict, failed, inconclusive, overall


class Listener(Protocol):
    """Who wants to know how a measurement goes on, while it does."""

    def note(self, sentence: str) -> None:
        """What happens now that is not sending, such as waiting."""

    def begin(self, sending: str, planned: int) -> None:
        """So many requests are going to be sent; `sending` says which."""

    def progress(self, done: int) -> None:
        """So many of them have ended."""

    def end(self) -> None:
        """The last one has ended."""


@dataclass(slots=True)
class ProofContext:
    """What a proof works with: what is in force, and a way to send; it keeps what is worth reporting."""

    api: MeshApi
    gateway: Target
    listener: Listener
    change: Change = change_localmesh
    facts: dict[str, str] = field(default_factory=dict)
    """What the report says besides the checks, one sentence for each heading."""
    measurements: list[tuple[LoadPlan, Measurement]] = field(default_factory=list)

    def resources(self) -> Resources:
        """What is in force now."""
        return self.api.resources()

    def send(
        self, load_plan: LoadPlan, *, meanwhile: tuple[int, Callable[[], None]] | None = None
    ) -> Measurement:
        """Send it all through the gateway; every request is waited for and in the tally, once.

        `meanwhile` is a number of requests and what to do, without delay, when so many have ended.
        Ctrl-C ends the whole proof, here as anywhere else: KeyboardInterrupt, so that nothing is judged by
        what was cut off, and no later phase begins.
        """
        self.listener.begin(load_plan.described(self.gateway), load_plan.count)

        def progress(done: int) -> None:
            self.listener.progress(done)
            if meanwhile is not None and done == meanwhile[0]:
                meanwhile[1]()

        try:
            measurement = measure(load_plan, self.gateway, progress)
        finally:
            self.listener.end()
        self.measurements.append((load_plan, measurement))
        if measurement.interrupted:
            raise KeyboardInterrupt
        return measurement


@dataclass(frozen=True, slots=True)
class Proof:
    """One scenario's proof: `proves` is its description in one line, `prove` sends, counts and judges.

    `prove` takes the expectation from what is in force, not from itself, and raises NotInForce or
    NotUnderstood where it cannot.
    """

    scenario: str
    proves: str
    prove: Callable[[ProofContext], Sequence[Check]]


def remedy(scenario: str) -> str:
    """What to do where the scenario is not in force: its overlay is not, or somebody has edited it."""
    return f"apply the overlay, unedited: `localmesh apply -k istio/overlays/{scenario}`"


@dataclass(frozen=True, slots=True)
class Result:
    """How one scenario's proof ended; `seconds` is all the time that it took."""

    scenario: str
    proves: str
    gateway: Target
    checks: tuple[Check, ...]
    facts: dict[str, str]
    measurements: tuple[tuple[LoadPlan, Measurement], ...]
    seconds: float = 0.0
    unreachable: bool = False
    interrupted: bool = False
    """Whether the user ended it before all was sent and judged."""

    @property
    def verdict(self) -> Verdict:
        """The verdict of all its checks together."""
        return overall(check.verdict for check in self.checks)


def run(proof: Proof, bench: ProofContext) -> Result:
    """Run a proof once: nothing is repeated, whatever the verdict; ended by Ctrl-C there is none."""
    began, interrupted = time.monotonic(), False
    try:
        checks = tuple(proof.prove(bench))
    except NotConfigured as finding:
        checks = (failed("in force", proof.proves, str(finding)),)
    except UnsupportedConfig as finding:
        checks = (inconclusive("in force", proof.proves, str(finding)),)
    except KeyboardInterrupt:
        checks, interrupted = (inconclusive("proven", proof.proves, "ended by Ctrl-C"),), True
    return Result(
        proof.scenario,
        proof.proves,
        bench.gateway,
        checks,
        bench.facts,
        tuple(bench.measurements),
        time.monotonic() - began,
        interrupted=interrupted,
    )
