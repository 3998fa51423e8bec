"""Tokens on the real application."""

from __future__ import annotations

import pytest
import requests

from loadgen.cli import main
from localmesh.tests.command_line import in_process
from tests.live import ROOT, overlay
from tests.proof_mesh import ProofMesh

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]


def test_a_minted_token_allows_what_the_page_says(mesh: ProofMesh) -> None:
    """The gateway accepts the token of `loadgen token`; its claims decide which requests are allowed."""
    mesh.apply(overlay("jwt"))

    def read(*options: str) -> int:
        minted = in_process(main, ROOT, "token", *options)
        bearer = {"authorization": f"Bearer {minted.stdout.strip()}"}
        return requests.get(f"{mesh.gateway}/feedback", headers=bearer, timeout=5).status_code

    assert read("--group", "moderator") == 200
    assert read("--group", "guest") == 403
    assert read("--group", "moderator", "--expired") == 401
