"""Whatever the schemas allow: localmesh refuses it in words, or a real Envoy takes what it is made into.

`make fuzz` tries until 2,000 examples are accepted; here it is a share, the same one every time.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from localmesh.tests.fuzz.envoys import refused
from localmesh.tests.fuzz.examples import MADE, configurations
from localmesh.translate import ProxyConfig

WANTED = "LOCALMESH_FUZZ"
"""The environment variable that names how many accepted examples of each kind are wanted."""
SHARE = 30
BATCH = 50


@pytest.mark.mesh
@pytest.mark.parametrize("kind", MADE)
def test_envoy_takes_what_localmesh_accepts(kind: str, tmp_path: Path) -> None:
    """None of the accepted examples is refused by Envoy, and nothing but words comes of the others."""
    wanted = int(os.environ.get(WANTED, SHARE))
    start = random.randrange(10**6) if WANTED in os.environ else 0

    accepted: dict[str, tuple[ProxyConfig, ...]] = {}
    tried = 0
    while len(accepted) < wanted:
        accepted |= _batch(kind, start + tried)
        tried += BATCH

    print(f"{kind} from seed {start}: {len(accepted):,} accepted of {tried:,}")  # noqa: T201 - a figure to note
    texts = list(accepted)
    said = refused(list(accepted.values()), tmp_path)
    assert not said, "\n\n".join(f"{texts[index]}\n  {sentence}" for index, sentence in said.items())


def _batch(kind: str, number: int) -> dict[str, tuple[ProxyConfig, ...]]:
    """The accepted ones of some examples, as JSON, each with what the proxies would be told."""
    accepted: dict[str, tuple[ProxyConfig, ...]] = {}

    @seed(number)
    @settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(MADE[kind])
    def try_one(made: dict[str, Any]) -> None:
        found = configurations(made)
        if found is not None:
            accepted[json.dumps(made["spec"], sort_keys=True)] = found

    try_one()
    return accepted
