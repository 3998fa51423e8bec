"""What the containers of a workload are told by its manifests, where hosts may be named."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.container import Container, KeyReference
from localmesh.catalog.volume import ConfigFiles
from localmesh.catalog.workload import Workload


def texts_of(workload: Workload, config: ConfigData) -> Iterator[str]:
    """Its variables and commands, and the files of ConfigMaps and Secrets."""
    for container in (*workload.init_containers, *workload.containers):
        yield from _variables(container, workload.namespace, config)
        yield from (*container.command, *container.arguments)
    for volume in workload.volumes:
        if isinstance(volume.source, ConfigFiles):
            data = config.of(volume.source.kind, workload.namespace, volume.source.name) or {}
            yield from (content.decode(errors="replace") for content in data.values())


def _variables(container: Container, namespace: str, config: ConfigData) -> Iterator[str]:
    for imported in container.imports:
        data = config.of(imported.kind, namespace, imported.name) or {}
        yield from (content.decode(errors="replace") for content in data.values())
    for variable in container.variables:
        yield variable.value
        if isinstance(variable.source, KeyReference):
            data = config.of(variable.source.kind, namespace, variable.source.name) or {}
            yield data.get(variable.source.key, b"").decode(errors="replace")
