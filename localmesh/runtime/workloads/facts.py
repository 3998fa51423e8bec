"""A pod before it starts: its name, ports and folders."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localmesh.catalog.called_hosts import CalledHosts
from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.locality import NODE_NAME
from localmesh.catalog.volume import Claim, ConfigFiles, KeyFile, Volume, leaves_volume
from localmesh.catalog.workload import Workload

_NAMESPACE_OF_UIDS = uuid.UUID("7d0c4f3a-9f5e-4a38-8d68-5b1d2f6c1f10")


@dataclass(frozen=True, slots=True)
class PodFacts:
    """One pod of a workload: which one, where its files are, and its ports.

    `ports` maps declared to real ports. `outbound_proxy` is the URL of the sidecar for outgoing requests,
    None for a pod without a sidecar. Processes run in `working_directory` unless the manifest has a
    workingDir. `capacity` is the limit of containers that have none, as quantities by resource name.
    `api_url` is where the mesh serves its API and the live page, "" if it does not. `called` are the hosts
    with TCP ports that have addresses on the loopback.
    """

    workload: Workload
    ordinal: int
    ports: Mapping[int, int]
    state_folder: Path
    working_directory: Path
    outbound_proxy: str | None = None
    config: ConfigData = field(default_factory=ConfigData)
    capacity: Mapping[str, str] = field(default_factory=dict)
    node_name: str = NODE_NAME
    api_url: str = ""
    called: CalledHosts = field(default_factory=CalledHosts)

    @property
    def name(self) -> str:
        """The pod's name: the same in every run for a template and ordinal."""
        return self.workload.pod_name(self.ordinal)

    @property
    def uid(self) -> str:
        """The pod's unique id, made from its name."""
        return pod_uid(self.workload.namespace, self.name)

    @property
    def folder(self) -> Path:
        """The pod's own files, which are removed with it."""
        return self.state_folder / "pods" / self.workload.namespace / self.name

    @property
    def home(self) -> Path:
        """HOME of the pod's processes."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the pod's processes."""
        return self.folder / "tmp"

    def volume_folder(self, volume: Volume) -> Path:
        """The folder with the content of a volume."""
        if isinstance(volume.source, Claim):
            own = f"-{self.name}" if volume.source.of_each_pod else ""
            return self.state_folder / "claims" / self.workload.namespace / f"{volume.source.name}{own}"
        return self.folder / "volumes" / volume.name

    def real_port(self, declared: int) -> int:
        """The real port of a declared one; any other port itself."""
        return self.ports.get(declared, declared)


def pod_uid(namespace: str, name: str) -> str:
    """The unique id of a pod, made from its name."""
    return str(uuid.uuid5(_NAMESPACE_OF_UIDS, f"{namespace}/{name}"))


def make_folders(facts: PodFacts) -> None:
    """Creates a pod's folders, empty except for claims, which keep the files of earlier pods."""
    remove_folders(facts)
    for folder in (facts.home, facts.temporary):
        folder.mkdir(parents=True)
    for volume in facts.workload.volumes:
        folder = facts.volume_folder(volume)
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(volume.source, ConfigFiles):
            _write_files(facts, volume, volume.source)


def remove_folders(facts: PodFacts) -> None:
    """Removes the pod's own files."""
    shutil.rmtree(facts.folder, ignore_errors=True)


def _write_files(facts: PodFacts, volume: Volume, source: ConfigFiles) -> None:
    data = facts.config.of(source.kind, facts.workload.namespace, source.name) or {}
    for item in _items(source, data):
        file = facts.volume_folder(volume) / item.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_with_addresses(data[item.key], facts.called))
        file.chmod(source.mode if item.mode is None else item.mode)


def _with_addresses(content: bytes, called: CalledHosts) -> bytes:
    """The content of a file with addresses in place of hosts, if it is text."""
    try:
        return called.replaced(content.decode()).encode() if called.hosts else content
    except UnicodeDecodeError:
        return content


def _items(source: ConfigFiles, data: Iterable[str]) -> Iterator[KeyFile]:
    items = (KeyFile(key, key) for key in data) if source.items is None else source.items
    return (item for item in items if item.key in data and not leaves_volume(item.path))
