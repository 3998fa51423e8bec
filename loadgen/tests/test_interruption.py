"""Ctrl-C and SIGTERM in any phase of a proof: nothing more is sent, and nothing is held against the mesh."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from loadgen.http1 import Request, Target
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.signals import interrupted_by_signals
from loadgen.meshstate import Resources
from loadgen.proofs import blue_green
from loadgen.proofs.common.proof import ProofContext, Result, run
from loadgen.prove.sequence import prove_current
from loadgen.reporting.progress import listener
from loadgen.statistics.judge import Check, Verdict
from loadgen.tests.commands import REPORT_SCHEMA, ended, start, wait_until
from loadgen.tests.made_up import EmptyNamespace, holds, made_up
from loadgen.tests.servers import answer, closed_port, read_request, serving
from loadgen.tests.stand_in_mesh import BASE, REPOSITORY, StandInMesh, manifests, resources

OVERLAYS = str(REPOSITORY / "istio" / "overlays")
ENDED = "ended by Ctrl-C; run it again to the end"
PAGE = answer(200, headers="served-by: frontend/v1/frontend-v1-1\r\n")


@pytest.fixture(autouse=True)
def _caught() -> Iterator[None]:
    """As the command line does it; an unexpected signal must not end the tests."""
    with interrupted_by_signals():
        yield


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


class Interrupting:
    """A gateway that answers, and has Ctrl-C pressed when it gets a request of this number."""

    def __init__(self, at: int, number: int = signal.SIGINT) -> None:
        self.received = 0
        self._at, self._number = at, number

    async def __call__(self, reader: Any, writer: Any) -> None:
        while True:
            await read_request(reader)
            self.received += 1
            if self.received == self._at:
                interrupt(self._number)
            if self.received >= self._at:
                return await reader.read()
            writer.write(PAGE)
            await writer.drain()


def context(gateway: str, api: Any = None) -> ProofContext:
    api = api or EmptyNamespace(f"http://127.0.0.1:{closed_port()}", "sentimesh")
    return ProofContext(
        api, Target.from_url(gateway), listener("made-up"), lambda api, item: api.change(item)
    )


def in_phases(context: ProofContext) -> list[Check]:
    """Three measurements, and a check that passes."""
    for purpose in ("first", "second", "third"):
        context.send(LoadPlan((Request(),), 100, 4, 5, purpose=purpose))
    return holds(context)


def summary(result: Result) -> tuple[Verdict, str, bool]:
    return result.verdict, result.checks[0].reason, result.interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("at", [30, 130, 230])
def test_no_later_phase_begins(at: int, number: int):
    """In whichever it comes: what was sent is reported, the verdict is open, and little more is sent."""
    gateway = Interrupting(at, number)
    with serving(gateway) as url:
        began = time.monotonic()
        result = run(made_up(in_phases), context(url))
        seconds = time.monotonic() - began

    assert summary(result) == (Verdict.INCONCLUSIVE, ENDED, True)
    assert len(result.measurements) == at // 100 + 1
    assert result.measurements[-1][1].interrupted
    assert gateway.received < at + 8
    assert seconds < 3


def test_waiting_ends_too():
    """A proof that waits for connections to close or copies to arrive is not waited for."""

    def waits(_: ProofContext) -> list[Check]:
        interrupt()
        time.sleep(60)
        return holds(_)

    assert summary(run(made_up(waits), context("http://127.0.0.1:1"))) == (
        Verdict.INCONCLUSIVE,
        ENDED,
        True,
    )


def test_what_was_done_keeps_its_verdict_and_the_rest_is_said_not_to_have_run():
    """So that what was not proven does not look as if it were not there."""

    def interrupted(_: ProofContext) -> list[Check]:
        raise KeyboardInterrupt

    proofs = [made_up(holds, "first"), made_up(interrupted, "second"), made_up(holds, "third")]

    results = list(prove_current(proofs, lambda _: context("http://127.0.0.1:1")))

    assert [result.verdict for result in results] == [
        Verdict.PASS,
        Verdict.INCONCLUSIVE,
        Verdict.INCONCLUSIVE,
    ]
    assert results[1].checks[0].reason == ENDED
    assert results[2].checks[0].reason == (
        "not run: ended by Ctrl-C before its turn; run it again to the end"
    )


def test_what_is_to_happen_meanwhile_does_not_happen_any_more():
    """Requests that are cut off do not count as those after which a route is switched."""
    switched: list[bool] = []

    def switching(context: ProofContext) -> list[Check]:
        context.send(LoadPlan((Request(),), 100, 8, 5), meanwhile=(24, lambda: switched.append(True)))
        return holds(context)

    with serving(Interrupting(20)) as url:
        result = run(made_up(switching), context(url))

    assert result.interrupted
    assert len(result.measurements[0][1]) >= 24
    assert switched == []


class Switched:
    """An API that knows blue-green's routes and writes down what they are changed to."""

    def __init__(self) -> None:
        self.found: Resources = resources(
            manifests(*BASE, "k8s/base/frontend.yaml", "istio/overlays/blue-green")
        )
        self.changes: list[Any] = []

    def resources(self) -> Resources:
        return self.found

    def change(self, item: Any) -> None:
        self.changes.append(item)


def test_blue_green_ends_in_the_middle_of_a_switch_and_puts_the_route_back():
    """Neither the rounds nor the second switch follow; the last change restores the configuration."""
    api, steady, switch = Switched(), blue_green.STEADY.count, blue_green.SWITCH.count
    gateway = Interrupting(steady + switch // 2)
    colours = blue_green.read(api.found)
    with serving(gateway) as url:
        result = run(blue_green.PROOF, context(url, api))

    assert summary(result) == (Verdict.INCONCLUSIVE, ENDED, True)
    assert gateway.received < steady + switch // 2 + 40
    assert api.changes == [colours.switched.item, colours.item]


def test_ctrl_c_among_several_proofs_on_their_overlays():
    """Status 3: complete results are reported, others listed, the previous configuration restored."""
    with StandInMesh(hang_seconds=30).running() as mesh:
        process = start(
            "prove", "--apply", "canary", "retry", "--mesh", mesh.url, "--overlays", OVERLAYS, "--json", "-"
        )
        wait_until(lambda: len(mesh.received) >= 50, "requests")
        process.send_signal(signal.SIGINT)
        outcome = ended(process)

    canary, retry = outcome.json(REPORT_SCHEMA)["scenarios"]
    assert outcome.status == 3
    assert canary["checks"][0]["reason"] == ENDED
    assert canary["measurements"][0]["interrupted"] is True
    assert retry["checks"][0]["reason"].startswith("not run")
    assert [sorted(order) for order in mesh.applied] == [["kustomizations"], ["file", "text"]]
    assert "restoring the previous configuration; Ctrl-C again ends without that" in outcome.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_one_ends_the_program(number: int):
    """Also while the previous configuration is restored."""
    with StandInMesh(hang_seconds=30, deaf=True).running() as mesh:
        process = start("prove", "--apply", "canary", "--mesh", mesh.url, "--overlays", OVERLAYS)
        wait_until(lambda: len(mesh.received) >= 50, "requests")
        process.send_signal(number)
        wait_until(lambda: len(mesh.applied) == 2, "the restored configuration")
        process.send_signal(number)
        outcome = ended(process)

    assert outcome.status == -number
    assert "canary  INCONCLUSIVE" in outcome.out
