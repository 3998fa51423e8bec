"""Which containers run their commands: those whose programs are on this machine; stubs replace the others."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localmesh.catalog.container import Container
from localmesh.catalog.probe import Action, Execute
from localmesh.catalog.workload import Workload
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import listed, quoted

_MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Programs:
    """Decides about the commands of containers; none are run unless `run_commands`.

    Programs are looked for on the PATH of the container or of the `caller`, or relative to `folder`.
    """

    folder: Path
    run_commands: bool = True
    caller: Mapping[str, str] | None = None

    def runnable(self, workload: Workload) -> Workload:
        """The workload with a stub in place of each container whose command is not run."""
        containers = tuple(map(self._runnable, workload.containers))
        before = tuple(map(self._runnable, workload.init_containers))
        if (containers, before) == (workload.containers, workload.init_containers):
            return workload
        return replace(workload, containers=containers, init_containers=before)

    def missing(self, workload: Workload) -> Iterator[Problem]:
        """A warning for each container whose command is wanted and not on this machine."""
        kinds = {"containers": workload.containers, "initContainers": workload.init_containers}
        for kind, containers in kinds.items() if self.run_commands else ():
            for index, container in enumerate(containers):
                if container.command and not self._runs(container, container.command[0]):
                    yield warnings.PROGRAM_MISSING.at(
                        workload.place,
                        workload.pod_spec / kind / index / "command",
                        found=quoted(container.command[0]),
                    )

    def _runnable(self, container: Container) -> Container:
        if container.command and self._runs(container, container.command[0]):
            return container
        return self._stub(container)

    def _stub(self, container: Container) -> Container:
        """A stub in place of a container: probes and hooks whose programs cannot run here are left out."""
        probes = {name: getattr(container, name) for name in ("startup", "readiness", "liveness")}
        actions = {name: probe.action for name, probe in probes.items() if probe}
        actions |= {name: getattr(container, name) for name in ("pre_stop", "post_start")}
        left_out = [name for name, action in actions.items() if not self._allows(container, action)]
        changes: dict[str, Any] = dict.fromkeys(left_out)
        return replace(container, command=(), arguments=(), **changes)

    def _allows(self, container: Container, action: Action | None) -> bool:
        return not isinstance(action, Execute) or self._runs(container, action.command[0])

    def _runs(self, container: Container, program: str) -> bool:
        """Whether a program of a container is run: it is wanted, and on this machine."""
        if not self.run_commands:
            return False
        in_volume = any(_is_below(program, mount.path) for mount in container.mounts)
        if in_volume or "$(" in program:
            return True  # known only when the pod has been made
        folder = self.folder / container.working_directory
        if "/" in program:
            return _is_executable(folder / program)
        return any(_is_executable(folder / place / program) for place in self._path(container))

    def _path(self, container: Container) -> Iterator[str]:
        """The folders of programs; that of this Python comes first, as when the command is run."""
        yield str(Path(sys.executable).parent)
        written = next((variable.value for variable in container.variables if variable.name == "PATH"), "")
        caller = os.environ if self.caller is None else self.caller
        yield from filter(None, (written or caller.get("PATH") or os.defpath).split(os.pathsep))


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")


def _is_executable(file: Path) -> bool:
    return file.is_file() and os.access(file, os.X_OK)


def commands_text(workloads: Iterable[Workload]) -> str:
    """Which programs of the manifests are run: ``gunicorn (6 containers) and sh``; "" if there are none."""
    names = Counter(
        Path(container.command[0]).name
        for workload in workloads
        for container in (*workload.init_containers, *workload.containers)
        if container.command and workload.replicas
    )
    if not names:
        return ""
    shown = [f"{name} ({count} containers)" if count > 1 else name for name, count in names.most_common()]
    others = len(shown) - _MOST_NAMES
    return listed(shown if others <= 0 else [*shown[:_MOST_NAMES], f"{others} others"])
