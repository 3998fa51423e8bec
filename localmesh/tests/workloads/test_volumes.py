"""The folders of a pod."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.workload import Workload
from localmesh.runtime.workloads import PodFacts
from localmesh.runtime.workloads.facts import make_folders, remove_folders

MakeWorkload = Callable[..., Workload]


def test_configuration_becomes_files(make_workload: MakeWorkload, config: ConfigData, tmp_path: Path) -> None:
    """All keys, or those of items under their paths, with the modes asked for."""
    volumes = [
        {"name": "all", "configMap": {"name": "settings"}},
        {
            "name": "one",
            "secret": {"secretName": "passwords", "items": [{"key": "TOKEN", "path": "a/b", "mode": 0o400}]},
        },
        {"name": "none", "configMap": {"name": "nowhere", "optional": True}},
    ]
    facts = PodFacts(make_workload({}, volumes=volumes), 0, {}, tmp_path, tmp_path, config=config)

    make_folders(facts)

    every, one, none = map(facts.volume_folder, facts.workload.volumes)
    assert {file.name: file.read_bytes() for file in every.iterdir()} == {
        "PORT": b"8080",
        "COLOUR": b"green",
        "a.conf": b"a = 1\n",
    }
    assert (one / "a/b").read_bytes() == b"s3cret"
    assert (one / "a/b").stat().st_mode & 0o777 == 0o400
    assert list(none.iterdir()) == []


def test_keys_do_not_leave_their_volume(make_workload: MakeWorkload, tmp_path: Path) -> None:
    """A key that would be a path out of the volume is not written."""
    config = ConfigData({("ConfigMap", "demo", "m"): {"../../escaped": b"x"}})
    workload = make_workload({}, volumes=[{"name": "v", "configMap": {"name": "m"}}])
    facts = PodFacts(workload, 0, {}, tmp_path, tmp_path, config=config)

    make_folders(facts)

    assert list(tmp_path.rglob("*escaped*")) == []


def test_folders_begin_empty_and_end_with_the_pod_but_claims_stay(
    make_workload: MakeWorkload, tmp_path: Path
) -> None:
    """An empty folder is the pod's own; a claim keeps what earlier pods left."""
    volumes = [{"name": "own"}, {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]
    facts = PodFacts(make_workload({}, volumes=volumes), 0, {}, tmp_path, tmp_path)
    own, disk = map(facts.volume_folder, facts.workload.volumes)
    make_folders(facts)
    (own / "file").touch()
    (disk / "file").touch()

    make_folders(facts)

    assert not (own / "file").exists()
    assert (disk / "file").exists()
    remove_folders(facts)
    assert not facts.folder.exists()
    assert (disk / "file").exists()
