"""The mesh that is used by default, and its name in the reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadgen.meshstate.location import DEFAULT_URL, local_url
from loadgen.tests.commands import REPORT_SCHEMA, ended, run, start
from loadgen.tests.stand_in_mesh import StandInMesh


def noted(folder: Path, url: str, process: int | None = None) -> Path:
    """A state folder of a mesh, by default of this process."""
    folder.mkdir(exist_ok=True)
    note = {"url": url, "pid": os.getpid() if process is None else process, "started": 0.0}
    (folder / "mesh.json").write_text(json.dumps(note))
    return folder


class TestStateFolder:
    def test_it_is_below_the_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """As for `localmesh status`."""
        noted(tmp_path / ".localmesh", "http://127.0.0.1:7090")
        monkeypatch.chdir(tmp_path)

        assert local_url({}) == "http://127.0.0.1:7090"

    def test_it_may_be_named(self, tmp_path: Path):
        """By the variable that localmesh knows, too."""
        folder = noted(tmp_path / "mine", "http://127.0.0.1:7090")

        assert local_url({"LOCALMESH_STATE": str(folder)}) == "http://127.0.0.1:7090"

    def test_a_note_of_who_has_ended_means_nothing(self, tmp_path: Path):
        """A mesh that was killed leaves it behind."""
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        folder = noted(tmp_path, "http://127.0.0.1:7090", process.pid)

        assert local_url({"LOCALMESH_STATE": str(folder)}) == DEFAULT_URL

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"url": "http://a", "pid": "x"}', '{"pid": 1e99}'])
    def test_a_note_that_is_none_means_nothing(self, tmp_path: Path, text: str):
        """Half written, or of something else."""
        (tmp_path / "mesh.json").write_text(text)

        assert local_url({"LOCALMESH_STATE": str(tmp_path)}) == DEFAULT_URL


def test_the_mesh_of_the_state_folder_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a word on where it is."""
    monkeypatch.delenv("LOCALMESH_URL", raising=False)

    with StandInMesh().running() as mesh:
        monkeypatch.setenv("LOCALMESH_STATE", str(noted(tmp_path, mesh.url)))
        outcome = ended(start("prove", "canary"))

    assert outcome.status == 0
    assert outcome.out.startswith(f"mesh  {mesh.url}\n\ncanary  PASS")


def test_a_mesh_that_is_named_comes_before_that_of_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The address on the command line, and that of LOCALMESH_URL."""
    monkeypatch.setenv("LOCALMESH_STATE", str(noted(tmp_path, "http://127.0.0.1:2")))

    with StandInMesh().running() as mesh:
        on_the_line = run("prove", "canary", "--mesh", mesh.url)
    in_the_environment = run("prove", "canary")

    assert on_the_line.status == 0
    assert "the mesh's API at http://127.0.0.1:1 cannot be connected to" in in_the_environment.err


class TestReports:
    def test_the_mesh_stands_in_all_of_them(self, tmp_path: Path):
        """Its address and its state folder."""
        report, junit = tmp_path / "report.json", tmp_path / "junit.xml"

        with StandInMesh(state_folder="/a/.localmesh").running() as mesh:
            outcome = run("prove", "canary", "--mesh", mesh.url, "--json", str(report), "--junit", str(junit))

        line = f"{mesh.url}, localmesh with the state folder /a/.localmesh"
        document = json.loads(report.read_text())
        (mesh_property,) = ElementTree.parse(junit).getroot().iter("property")
        assert outcome.out.splitlines()[0] == f"mesh  {line}"
        assert (document["mesh"], document["state_folder"]) == (mesh.url, "/a/.localmesh")
        assert mesh_property.attrib == {"name": "mesh", "value": line}

    def test_a_cluster_is_its_address(self):
        """It has no state folder."""
        with StandInMesh(state_folder="/a/.localmesh").running() as mesh:
            arguments = ("--target", "cluster", "--mesh", mesh.url, "--gateway", mesh.url, "--json", "-")
            outcome = run("prove", "canary", *arguments)

        assert outcome.json(REPORT_SCHEMA)["state_folder"] is None
        assert outcome.err.splitlines()[0] == f"mesh  {mesh.url}"
