"""`explain` predicts what real Envoys do: generated meshes, and requests that their rules are about.

`make fuzz` compares 2,000 requests from a random seed; without it, a fixed small number.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from localmesh.problems import ManifestError
from localmesh.tests.agreement.asking import Asked, ask, imagined
from localmesh.tests.agreement.comparing import disagreements, is_predicted
from localmesh.tests.agreement.examples import Example, examples
from localmesh.tests.agreement.world import World, world
from localmesh.tests.analysis.meshes import text

WANTED = "LOCALMESH_FUZZ"
"""The environment variable with half the number of requests to compare."""
SHARE = 50
BATCH = 10
"""Meshes of one run of hypothesis, which makes the later ones out of the earlier ones."""
REQUESTS = {True: 20, False: 16}
"""How many requests are sent to each mesh: when fuzzing, and otherwise."""
PHASES = {True: (Phase.generate, Phase.shrink), False: (Phase.generate,)}
"""To shrink an example takes minutes."""


@pytest.mark.mesh
def test_real_envoys_do_what_explain_predicts(tmp_path: Path) -> None:
    """Destination, status and headers of every request are among the outcomes that explain names."""
    fuzzing = WANTED in os.environ
    wanted = 2 * int(os.environ.get(WANTED, SHARE))
    start = random.randrange(10**6) if fuzzing else 0

    compared: set[tuple[str, Asked]] = set()
    with world(tmp_path) as running:
        for number in range(start, start + wanted):
            if len(compared) >= wanted:
                break
            compared |= _batch(running, number, fuzzing=fuzzing)

    print(f"from seed {start}: {len(compared):,} requests of {len({mesh for mesh, _ in compared}):,} meshes")  # noqa: T201 - for the record
    assert len(compared) >= wanted


def _report(example: Example, asked: Asked, differences: list[str]) -> str:
    """The manifests and the request, so that the disagreement can be repeated by hand."""
    return "\n".join((text(example.objects), "", f"localmesh explain {asked}", *differences))


def _batch(running: World, number: int, *, fuzzing: bool) -> set[tuple[str, Asked]]:
    """The requests of a batch of meshes, all of which were predicted rightly, each with its mesh."""
    compared: set[tuple[str, Asked]] = set()

    @seed(number)
    @settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=PHASES[fuzzing],
        suppress_health_check=list(HealthCheck),
    )
    @given(examples(REQUESTS[fuzzing]))
    def compare(example: Example) -> None:
        try:
            explainer = running.apply(example.objects)
        except ManifestError:
            return
        for asked in example.requests:
            answer = ask(running.proxy(asked.sender), asked)
            explanation = explainer.explain(imagined(asked))
            workload = running.workload_of(answer.pod)
            shown = running.shows_callers(workload)
            differences = disagreements(explanation, asked, answer, workload, shows_callers=shown)
            assert not differences, _report(example, asked, differences)
            if is_predicted(explanation):
                compared.add((repr(example.objects), asked))

    compare()
    return compared
