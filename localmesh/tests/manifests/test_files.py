"""Files, folders and standard input."""

import io
import sys
from pathlib import Path

import pytest

from localmesh.manifests.files import read_files


def _bodies(*paths: Path) -> list[object]:
    return [document.body for document in read_files(paths).documents]


def test_a_folder_stands_for_its_manifests_sorted_by_name(tmp_path: Path) -> None:
    """YAML and JSON files, without subfolders."""
    (tmp_path / "b.yaml").write_text("b: 1")
    (tmp_path / "a.json").write_text('{"a": 1}')
    (tmp_path / "c.txt").write_text("c: 1")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "d.yaml").write_text("d: 1")

    assert _bodies(tmp_path) == [{"a": 1}, {"b": 1}]


def test_a_dash_stands_for_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """For pipes."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: 1")))

    (document,) = read_files([Path("-")]).documents

    assert (document.file, document.body) == ("<stdin>", {"a": 1})


def test_unreadable_files_are_all_reported(tmp_path: Path) -> None:
    """Missing files, wrong encodings, folders without manifests; the other files are read."""
    (tmp_path / "good.yaml").write_text("a: 1")
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    (tmp_path / "empty").mkdir()
    names = ["missing.yaml", "latin.yaml", "empty", "good.yaml"]

    reading = read_files([tmp_path / name for name in names])

    assert [document.body for document in reading.documents] == [{"a": 1}]
    assert [(problem.code, problem.message) for problem in reading.problems] == [
        ("SM001", "cannot be read: No such file or directory"),
        ("SM001", "cannot be read: byte 3 is not UTF-8"),
        ("SM001", "cannot be read: it contains no .yaml, .yml or .json file"),
    ]
