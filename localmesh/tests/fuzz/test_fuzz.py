"""For any object that the schemas allow: localmesh refuses it with a message, or Envoy accepts the result.

`make fuzz` tries until 1,000 examples of each kind are accepted; without it, a fixed small number.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from localmesh.tests.fuzz.envoys import rejections
from localmesh.tests.fuzz.examples import GENERATED, configurations
from localmesh.translate import ProxyConfig

WANTED = "LOCALMESH_FUZZ"
"""The environment variable with the number of accepted examples of each kind."""
SHARE = {"VirtualService": 30, "DestinationRule": 30}
"""How many examples of a kind without it."""
FEWER = 4
"""How many of the other kinds."""
BATCH = 50


@pytest.mark.mesh
@pytest.mark.parametrize("kind", GENERATED)
def test_envoy_takes_what_localmesh_accepts(kind: str, tmp_path: Path) -> None:
    """Envoy rejects none of the accepted examples, and the others give an error message."""
    wanted = int(os.environ.get(WANTED, SHARE.get(kind, FEWER)))
    start = random.randrange(10**6) if WANTED in os.environ else 0

    accepted: dict[str, tuple[ProxyConfig, ...]] = {}
    tried = 0
    while len(accepted) < wanted:
        size = min(BATCH, 5 * wanted)
        accepted |= _batch(kind, start + tried, size)
        tried += size

    print(f"{kind} from seed {start}: {len(accepted):,} accepted of {tried:,}")  # noqa: T201 - for the record
    texts = list(accepted)
    errors = rejections(list(accepted.values()), tmp_path)
    assert not errors, "\n\n".join(f"{texts[index]}\n  {error}" for index, error in errors.items())


def _batch(kind: str, number: int, size: int) -> dict[str, tuple[ProxyConfig, ...]]:
    """The accepted examples of a batch, as JSON, each with the configurations of the proxies."""
    accepted: dict[str, tuple[ProxyConfig, ...]] = {}

    @seed(number)
    @settings(
        max_examples=size,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(GENERATED[kind])
    def try_one(generated: dict[str, Any]) -> None:
        configs = configurations(generated)
        if configs is not None:
            accepted[json.dumps(generated["spec"], sort_keys=True)] = configs

    try_one()
    return accepted
