"""Tokens on the real application."""

from __future__ import annotations

import subprocess

import pytest
import requests

from tests.live import overlay
from tests.proof_mesh import LOADGEN, ProofMesh

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]


def test_a_minted_token_allows_what_the_page_says(mesh: ProofMesh) -> None:
    """The gateway accepts the token of `loadgen token`; its claims decide which requests are allowed."""
    mesh.apply(overlay("jwt"))

    def read(*options: str) -> int:
        minted = subprocess.run([LOADGEN, "token", *options], capture_output=True, text=True, check=True)
        bearer = {"authorization": f"Bearer {minted.stdout.strip()}"}
        return requests.get(f"{mesh.gateway}/feedback", headers=bearer, timeout=5).status_code

    assert read("--group", "moderator") == 200
    assert read("--group", "guest") == 403
    assert read("--group", "moderator", "--expired") == 401
