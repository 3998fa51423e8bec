"""localmesh writes its address to the state folder, and loadgen reads it; neither imports the other."""

from __future__ import annotations

from pathlib import Path

import psutil

from loadgen.meshstate.location import DEFAULT_URL, STATE_FOLDER, local_url
from localmesh.cli.client import DEFAULT_API_PORT, DEFAULT_STATE_FOLDER, RunningMesh


def test_loadgen_finds_the_mesh_by_its_state_folder(tmp_path: Path) -> None:
    """While the file exists and its process runs."""
    process = psutil.Process()
    environment = {"LOCALMESH_STATE": str(tmp_path)}

    RunningMesh("http://127.0.0.1:7090", process.pid, process.create_time()).write(tmp_path)
    url = local_url(environment)
    RunningMesh.remove(tmp_path)

    assert url == "http://127.0.0.1:7090"
    assert local_url(environment) == DEFAULT_URL


def test_both_have_the_same_defaults() -> None:
    """For the state folder and the port of the API."""
    assert Path(STATE_FOLDER) == DEFAULT_STATE_FOLDER
    assert DEFAULT_URL.endswith(f":{DEFAULT_API_PORT}")
