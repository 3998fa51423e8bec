"""The folders of a pod: home, temporary files, and one for each volume."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator

from localmesh.catalog.volume import ConfigFiles, KeyFile, Volume, leaves_volume
from localmesh.runtime.workloads.facts import PodFacts


def make_folders(facts: PodFacts) -> None:
    """Make a pod's folders anew; only claims keep what earlier pods left in them."""
    remove_folders(facts)
    for folder in (facts.home, facts.temporary):
        folder.mkdir(parents=True)
    for volume in facts.workload.volumes:
        folder = facts.volume_folder(volume)
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(volume.source, ConfigFiles):
            _write_files(facts, volume, volume.source)


def remove_folders(facts: PodFacts) -> None:
    """Remove what ends with the pod."""
    shutil.rmtree(facts.folder, ignore_errors=True)


def _write_files(facts: PodFacts, volume: Volume, source: ConfigFiles) -> None:
    data = facts.config.of(source.kind, facts.workload.namespace, source.name) or {}
    for item in _items(source, data):
        file = facts.volume_folder(volume) / item.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data[item.key])
        file.chmod(source.mode if item.mode is None else item.mode)


def _items(source: ConfigFiles, data: Iterable[str]) -> Iterator[KeyFile]:
    items = (KeyFile(key, key) for key in data) if source.items is None else source.items
    return (item for item in items if item.key in data and not leaves_volume(item.path))
