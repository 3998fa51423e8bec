"""What localmesh notes in its state folder is what loadgen looks for; neither of them imports the other."""

from __future__ import annotations

from pathlib import Path

import psutil

from loadgen.meshstate.location import DEFAULT_URL, STATE_FOLDER, local_url
from localmesh.cli.client import DEFAULT_API_PORT, DEFAULT_STATE_FOLDER, RunningMesh


def test_loadgen_finds_the_mesh_that_localmesh_has_noted(tmp_path: Path) -> None:
    """For as long as its process runs and the note is there."""
    process = psutil.Process()
    environment = {"LOCALMESH_STATE": str(tmp_path)}

    RunningMesh("http://127.0.0.1:7090", process.pid, process.create_time()).write(tmp_path)
    found = local_url(environment)
    RunningMesh.remove(tmp_path)

    assert found == "http://127.0.0.1:7090"
    assert local_url(environment) == DEFAULT_URL


def test_both_look_in_the_same_place() -> None:
    """Where nothing is said."""
    assert Path(STATE_FOLDER) == DEFAULT_STATE_FOLDER
    assert DEFAULT_URL.endswith(f":{DEFAULT_API_PORT}")
