"""What `localmesh serve` prints about a mesh whose pods start late."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import cast

import pytest

from localmesh.cli.serve import missing, report_when_ready
from localmesh.runtime.mesh import Mesh


@dataclass
class Part:
    """A pod or gateway."""

    ready: bool


@dataclass
class LateMesh:
    """Ready after it has been asked that many times."""

    asked_before_ready: int
    pods: dict[tuple[str, str], Part] = field(default_factory=dict)
    gateways: dict[tuple[str, str], Part] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether everything is ready."""
        self.asked_before_ready -= 1
        return self.asked_before_ready < 0


def test_what_is_missing_is_named() -> None:
    """Pods first, then gateways, without those that are ready."""
    mesh = LateMesh(
        1, {("shop", "b"): Part(False), ("shop", "a"): Part(True)}, {("istio", "gate"): Part(False)}
    )

    assert missing(cast("Mesh", mesh)) == "b, gate"


def test_readiness_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Not before."""
    mesh = LateMesh(2)

    asyncio.run(report_when_ready(cast("Mesh", mesh), 0.0))

    assert mesh.asked_before_ready < 0
    assert re.fullmatch(r"localmesh: all ready after \d+\.\d s\n", capsys.readouterr().err)
