"""`localmesh explain` on a running mesh: what it says, and what really happens."""

from __future__ import annotations

import json

import pytest

from localmesh.cli.commands import run
from tests.live import overlay
from tests.proof_mesh import ProofMesh
from tests.scenarios.groups import CALM

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group(CALM)]


@pytest.mark.parametrize(
    ("arguments", "status", "happened"),
    [
        (["POST", "http://logic/analyse/sentiment", "--from", "feedback-v1"], 403, "403"),
        (["http://127.0.0.1/nowhere/at/all"], 404, "a request at sentimesh/frontend-v1"),
        (["http://nowhere.sentimesh:4711/", "--from", "webapp-v1"], 404, "404"),
    ],
)
def test_a_followed_request_does_what_is_explained(
    arguments: list[str],
    status: int,
    happened: str,
    mesh: ProofMesh,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """--follow sends the request: a policy, an application and a missing route answer as explained."""
    mesh.apply(overlay("authorization"))
    monkeypatch.setenv("LOCALMESH_URL", mesh.api)

    assert run(["explain", *arguments, "--follow", "-o", "json"]) == 0

    followed = json.loads(capsys.readouterr().out)["followed"]
    assert (followed["happened"], followed["status"]) == (happened, status)
    assert followed["agrees"]


def test_objects_of_a_running_mesh_are_in_no_file(
    mesh: ProofMesh, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without -k and -f the running mesh is asked, and its objects are named without files."""
    mesh.apply(overlay("canary"))
    monkeypatch.setenv("LOCALMESH_URL", mesh.api)

    assert run(["explain", "http://logic/", "--from", "webapp-v1"]) == 0

    out = capsys.readouterr().out
    assert "80 %: logic-v1.sentimesh answers" in out
    assert "routed by VirtualService sentimesh/logic\n" in out
