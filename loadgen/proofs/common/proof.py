"""The frame of all proofs: read what is configured, measure, read again, judge.

A proof is a record of functions, and `run` calls them in this order: `read` takes the expectation from the
resources, `facts` describes it for the report, `measure` sends requests and collects what the mesh did,
`read` takes the expectation once more, and `judge` compares expectation and measurement. The verdicts on a
configuration that is missing, not supported or changed meanwhile are the same for all proofs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from loadgen.http1 import Target
from loadgen.measurement.measure import LoadPlan, measure
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.quality import Quality
from loadgen.meshstate import MeshApi, NotConfigured, Resources, UnsupportedConfig
from loadgen.statistics.judge import Cause, Check, Verdict, failed, inconclusive, overall

Expectation = TypeVar("Expectation")
"""What the configuration makes a proof expect: a value, equal where the configuration means the same."""
Measured = TypeVar("Measured")
"""What a proof observes: a Measurement, or a record with several of them and what the pods report."""


class Listener(Protocol):
    """Receives the progress of a proof."""

    def note(self, sentence: str) -> None:
        """Something other than sending happens, such as waiting."""

    def begin(self, sending: str, planned: int) -> None:
        """So many requests are about to be sent; `sending` describes them."""

    def progress(self, done: int) -> None:
        """So many of them have ended."""

    def end(self) -> None:
        """The last one has ended."""


Change = Callable[[MeshApi, dict[str, Any]], None]
"""Replaces an object of the configuration by an edited one."""


def change_localmesh(api: MeshApi, item: dict[str, Any]) -> None:
    """Apply the object through localmesh, which returns when every proxy has acknowledged."""
    api.send("POST", "/mesh/apply", {"text": json.dumps(item), "file": "loadgen", "merge": True})


def change_cluster(api: MeshApi, item: dict[str, Any]) -> None:
    """Patch the object through the Kubernetes API; proxies follow a moment later.

    Only the `spec` is sent: the `resourceVersion` that was read is outdated after one change.
    """
    group, kind = item["apiVersion"], str(item["kind"]).lower()
    name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
    path = f"/apis/{group}/namespaces/{namespace}/{kind}s/{name}"
    api.send("PATCH", path, {"spec": item["spec"]}, media_type="application/merge-patch+json")


@dataclass(slots=True)
class ProofContext:
    """What `measure` works with: the API of the mesh, and a way to send. Keeps the measurements."""

    api: MeshApi
    gateway: Target
    listener: Listener
    change: Change = change_localmesh
    measurements: list[tuple[LoadPlan, Measurement]] = field(default_factory=list)

    def send(
        self, load_plan: LoadPlan, *, meanwhile: tuple[int, Callable[[], None]] | None = None
    ) -> Measurement:
        """Send the whole plan through the gateway and wait for every answer.

        `meanwhile` is a number of requests and a function to call as soon as so many have ended. Ctrl-C ends
        the whole proof: KeyboardInterrupt is raised, so that no verdict rests on a part of the requests and
        no later phase begins.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof(Generic[Expectation, Measured]):
    """The proof of one scenario; `proves` describes it in one line.

    `read` raises NotConfigured where the configuration lacks what the scenario shows, and UnsupportedConfig
    where its effect is not computed; `measure` may raise them, too. `findings` are facts of the report that
    are known after the measurement. `quality` is for proofs whose checks depend on time or on counts of
    pods.
    """

    scenario: str
    proves: str
    read: Callable[[Resources], Expectation]
    facts: Callable[[Expectation], Mapping[str, str]]
    measure: Callable[[ProofContext, Expectation], Measured]
    judge: Callable[[Expectation, Measured], Sequence[Check]]
    findings: Callable[[Expectation, Measured], Mapping[str, str]] | None = None
    quality: Callable[[Expectation, Measured], Quality] | None = None


def remedy(scenario: str) -> str:
    """What to do where the scenario is not configured: its overlay is not applied, or was edited."""
    return f"apply the overlay, unedited: `localmesh apply -k istio/overlays/{scenario}`"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one proof; `seconds` is its whole duration."""

    scenario: str
    proves: str
    gateway: Target
    checks: tuple[Check, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    measurements: tuple[tuple[LoadPlan, Measurement], ...] = ()
    quality: Quality | None = None
    seconds: float = 0.0
    unreachable: bool = False
    interrupted: bool = False
    """Whether the user ended it before it was complete."""

    @property
    def verdict(self) -> Verdict:
        """The verdict of all checks together."""
        return overall(check.verdict for check in self.checks)


@dataclass(slots=True)
class _Report:
    """What is known of a proof so far; it is reported even if the proof ends early."""

    facts: dict[str, str] = field(default_factory=dict)
    quality: Quality | None = None


def run(proof: Proof[Any, Any], context: ProofContext) -> Result:
    """Run a proof once. Nothing is repeated, whatever the verdict; after Ctrl-C there is none."""
    started, interrupted, report = time.monotonic(), False, _Report()
    try:
        checks = tuple(_checks(proof, context, report))
    except NotConfigured as finding:
        checks = (failed("configured", proof.proves, str(finding)),)
    except UnsupportedConfig as finding:
        checks = (inconclusive("configured", proof.proves, Cause.UNSUPPORTED_CONFIG, str(finding)),)
    except KeyboardInterrupt:
        checks = (inconclusive("completed", proof.proves, Cause.INTERRUPTED, "ended by Ctrl-C"),)
        interrupted = True
    return Result(
        proof.scenario,
        proof.proves,
        context.gateway,
        checks,
        report.facts,
        tuple(context.measurements),
        report.quality,
        time.monotonic() - started,
        interrupted=interrupted,
    )


def _checks(proof: Proof[Any, Any], context: ProofContext, report: _Report) -> Sequence[Check]:
    expectation = proof.read(context.api.resources())
    report.facts |= proof.facts(expectation)
    measured = proof.measure(context, expectation)
    if proof.findings is not None:
        report.facts |= proof.findings(expectation, measured)
    if proof.quality is not None:
        report.quality = proof.quality(expectation, measured)
    if not _still_expected(proof, context, expectation):
        reason = "the configuration was changed while the requests were sent"
        return [inconclusive("configured", proof.proves, Cause.CONFIG_CHANGED, reason)]
    return proof.judge(expectation, measured)


def _still_expected(proof: Proof[Any, Any], context: ProofContext, expectation: object) -> bool:
    try:
        return bool(proof.read(context.api.resources()) == expectation)
    except (NotConfigured, UnsupportedConfig):
        return False


def single_measurement(
    plan: Callable[[Expectation], LoadPlan],
) -> Callable[[ProofContext, Expectation], Measurement]:
    """The `measure` of a proof that sends one load plan."""
    return lambda context, expectation: context.send(plan(expectation))
