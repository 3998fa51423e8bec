"""Files that the manifests mount into a pod: keys of Secrets and ConfigMaps."""

from __future__ import annotations

from pathlib import PurePosixPath

from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.volume import ConfigFiles, Mount
from localmesh.catalog.workload import Workload


def mounted_file(workload: Workload, config: ConfigData, path: str) -> bytes | None:
    """The content of the file at an absolute path in the containers of a pod; None if nothing is mounted."""
    volumes = {volume.name: volume.source for volume in workload.volumes}
    for mount in (mount for container in workload.containers for mount in container.mounts):
        source, inside = volumes.get(mount.volume), _inside(mount, path)
        if inside is not None and isinstance(source, ConfigFiles):
            keys = config.of(source.kind, workload.namespace, source.name) or {}
            key = _key(source, inside)
            if key in keys:
                return keys[key]
    return None


def _inside(mount: Mount, path: str) -> str | None:
    """The path within the volume; None for a path that is not below the mount."""
    try:
        relative = PurePosixPath(path).relative_to(mount.path)
    except ValueError:
        return None
    return str(PurePosixPath(mount.sub_path) / relative)


def _key(source: ConfigFiles, inside: str) -> str:
    if source.items is None:
        return inside
    return next((item.key for item in source.items if item.path == inside), "")
