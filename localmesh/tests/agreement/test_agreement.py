"""`explain` predicts what real Envoys do: generated meshes, and requests that their rules are about.

`make fuzz` compares 2,000 requests from a random seed; without it, a fixed small number.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from localmesh.explain import Explainer, Explanation
from localmesh.problems import ManifestError
from localmesh.tests.agreement.asking import Asked, ask, imagined
from localmesh.tests.agreement.comparing import disagreements, is_predicted
from localmesh.tests.agreement.examples import Example, examples
from localmesh.tests.agreement.world import World, world
from localmesh.tests.analysis.meshes import Json, text

WANTED = "LOCALMESH_FUZZ"
"""The environment variable with half the number of requests to compare."""
START = "LOCALMESH_FUZZ_SEED"
"""The environment variable with the seed to start from, to repeat a run."""
SHARE = 50
BATCH = 10
"""Meshes of one run of hypothesis, which makes the later ones out of the earlier ones."""
REQUESTS = {True: 20, False: 16}
"""How many requests are sent to each mesh: when fuzzing, and otherwise."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A request that Envoys treat otherwise than explained, and the objects of its mesh."""

    objects: tuple[Json, ...]
    asked: Asked
    differences: list[str]

    def __str__(self) -> str:
        return "\n".join((text(self.objects), "", f"localmesh explain {self.asked}", *self.differences))


@pytest.mark.mesh
def test_real_envoys_do_what_explain_predicts(tmp_path: Path) -> None:
    """Destination, status and headers of every request are among the outcomes that explain names."""
    fuzzing = WANTED in os.environ
    wanted = 2 * int(os.environ.get(WANTED, SHARE))
    start = int(os.environ.get(START, random.randrange(10**6))) if fuzzing else 0

    compared: set[tuple[str, Asked]] = set()
    with world(tmp_path, with_egress=fuzzing) as running:
        for number in range(start, start + wanted):
            if len(compared) >= wanted:
                break
            compared |= _batch(running, number, fuzzing=fuzzing)

    print(f"from seed {start}: {len(compared):,} requests of {len({mesh for mesh, _ in compared}):,} meshes")  # noqa: T201 - for the record
    assert len(compared) >= wanted


def _batch(running: World, number: int, *, fuzzing: bool) -> set[tuple[str, Asked]]:
    """The requests of a batch of meshes, all of which were predicted rightly, each with its mesh.

    Hypothesis only generates: the first disagreement ends the batch, as its own way to smaller examples
    takes minutes.
    """
    compared: set[tuple[str, Asked]] = set()
    found: list[Disagreement] = []

    @seed(number)
    @settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples(REQUESTS[fuzzing], with_egress=fuzzing))
    def compare(example: Example) -> None:
        explainer = None if found else _applied(running, example.objects)
        if explainer is None:
            return
        for asked in example.requests:
            explanation, differences = _compared(running, explainer, asked)
            if differences:
                found.append(Disagreement(example.objects, asked, differences))
                return
            if is_predicted(explanation):
                compared.add((repr(example.objects), asked))

    compare()
    for disagreement in found:
        print(f"seed {number}:\n{disagreement}", flush=True)  # noqa: T201 - before it is made smaller
        pytest.fail(f"seed {number}:\n{_reduced(running, disagreement)}", pytrace=False)
    return compared


def _applied(running: World, objects: tuple[Json, ...]) -> Explainer | None:
    """What explains the mesh with these objects, None if they are not valid together."""
    try:
        return running.apply(objects)
    except ManifestError:
        return None


def _compared(running: World, explainer: Explainer, asked: Asked) -> tuple[Explanation, list[str]]:
    """What is predicted for a request, and where its real answer differs."""
    answer = ask(running.proxy(asked.sender), asked)
    explanation = explainer.explain(imagined(asked))
    workload = running.workload_of(answer.pod)
    shown = running.shows_callers(workload)
    return explanation, disagreements(explanation, asked, answer, workload, shows_callers=shown)


def _reduced(running: World, disagreement: Disagreement) -> Disagreement:
    """The disagreement without the objects that it does not need, each of which is tried once.

    All Gateways stay, without which there may be nothing to call.
    """
    for left_out in (item for item in disagreement.objects if item["kind"] != "Gateway"):
        objects = tuple(item for item in disagreement.objects if item is not left_out)
        explainer = _applied(running, objects)
        differences = _compared(running, explainer, disagreement.asked)[1] if explainer else []
        if differences:
            disagreement = Disagreement(objects, disagreement.asked, differences)
    return disagreement
