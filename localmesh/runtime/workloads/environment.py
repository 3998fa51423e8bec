"""How a container runs as a process: its command, its environment, its folder.

Of the caller's environment the process gets only what programs need to start (PATH, locale, time zone, the
paths of Python's modules and libraries), so that tokens and passwords of the person who runs localmesh do
not reach pods. These variables are added, unless the manifest sets them:

HOSTNAME                the pod's name, as in Kubernetes
HOST                    127.0.0.1, for programs that take their address from it
HOME, TMPDIR            folders of the pod; TMPDIR is the volume at /tmp where one is mounted
LOCALMESH_URL           the API of the mesh, where the live page is served, too
DB_SERVICE_HOST, DB_SERVICE_PORT
                        for each Service with TCP ports of the pod's namespace, as in Kubernetes
HTTP_PROXY, NO_PROXY    the sidecar, in both spellings, for pods that have one
HTTPS_PROXY             the sidecar, if the pod sees hosts with ports of TLS
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localmesh import stub
from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.container import Container
from localmesh.catalog.volume import leaves_volume
from localmesh.catalog.workload import Workload
from localmesh.problems import ManifestError, Problem
from localmesh.problems.codes import unsupported
from localmesh.problems.problem import ProblemCollector
from localmesh.runtime.workloads.facts import PodFacts
from localmesh.runtime.workloads.rewriting import Rewriting, expand
from localmesh.runtime.workloads.variables import Variables

_STUB = Path(stub.__file__).with_name("server.py")
_PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_WITHOUT_PROXY = "127.0.0.1,localhost"
_HTTP_PROXY, _HTTPS_PROXY, _NO_PROXY = (
    ("HTTP_PROXY", "http_proxy"),
    ("HTTPS_PROXY", "https_proxy"),
    ("NO_PROXY", "no_proxy"),
)


@dataclass(frozen=True, slots=True)
class Launch:
    """A container ready to run as a process; `rewriting` is for its probes and hooks."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: Path
    rewriting: Rewriting


def launch(facts: PodFacts, container: Container, caller: Mapping[str, str]) -> Launch:
    """How to run a container; `caller` is the environment of localmesh itself.

    Raises ManifestError for references of the manifest to something that does not exist.
    """
    collector = ProblemCollector(facts.workload.place)
    variables = Variables(facts, container, collector)
    variables.fill()
    if collector.problems:
        raise ManifestError(collector.problems)
    folders = _mounted_folders(facts, container, variables.values)
    rewriting = Rewriting(facts.ports, folders, facts.called)
    environment = _environment(facts, variables, rewriting, caller)
    # References are expanded to what the container would see, and the result is rewritten once: the
    # other way round, a folder under /tmp would be rewritten again if /tmp is mounted.
    words = tuple(
        rewriting.word(expand(word, variables.values)) for word in (*container.command, *container.arguments)
    )
    if not container.command:
        words = _stub_command(facts, container)
    return Launch(words, environment, _working_directory(facts, container, rewriting), rewriting)


def _working_directory(facts: PodFacts, container: Container, rewriting: Rewriting) -> Path:
    """The container's workingDir: in a volume, or a folder of this machine, relative to the usual one.

    A stub runs in the usual folder. Raises ManifestError for a folder that exists only in the image.
    """
    usual = facts.working_directory
    folder = usual / rewriting.path(container.working_directory)
    is_mounted = str(folder) != str(usual / container.working_directory)
    if not container.working_directory or not container.command:
        return usual
    if is_mounted or folder.is_dir():
        return folder
    problem = unsupported.VALUE_NOT_SUPPORTED.at(
        facts.workload.place,
        facts.workload.path_of(container) / "workingDir",
        found=f'"{container.working_directory}"',
        expected=f"volumes and folders of this machine (commands run in {usual})",
        remedy="remove the field for local runs, write a folder relative to that one, or mount a volume",
    )
    raise ManifestError([problem])


def configuration_problems(workload: Workload, config: ConfigData) -> tuple[Problem, ...]:
    """References of a workload's containers to missing keys, ConfigMaps, Secrets or fields."""
    facts = PodFacts(workload, 0, {}, Path("/"), Path("/"), config=config)
    collector = ProblemCollector(workload.place)
    for container in (*workload.init_containers, *workload.containers):
        Variables(facts, container, collector).fill()
    return tuple(collector.problems)


def _mounted_folders(facts: PodFacts, container: Container, values: Mapping[str, str]) -> dict[str, Path]:
    volumes = {volume.name: volume for volume in facts.workload.volumes}
    folders = {}
    for mount in container.mounts:
        sub_path = expand(mount.sub_path, values)
        if mount.volume in volumes and not leaves_volume(sub_path):
            folders[mount.path] = facts.volume_folder(volumes[mount.volume]) / sub_path
    return folders


def _environment(
    facts: PodFacts, variables: Variables, rewriting: Rewriting, caller: Mapping[str, str]
) -> dict[str, str]:
    written = {
        name: value if name in variables.from_pod else rewriting.value(value)
        for name, value in variables.values.items()
    }
    given = {name: caller[name] for name in _PASSED_ON if name in caller}
    given |= {
        "HOSTNAME": facts.name,
        "HOST": "127.0.0.1",
        "HOME": str(facts.home),
        "TMPDIR": str(rewriting.folders.get("/tmp", facts.temporary)),  # noqa: S108 - the container's
    }
    given |= {"LOCALMESH_URL": facts.api_url} if facts.api_url else {}
    given |= _proxy(facts, written)
    given |= facts.called.variables(facts.workload.namespace)
    search_path = written.get("PATH") or caller.get("PATH") or _DEFAULT_PATH
    # The folder of this Python comes first: `gunicorn` in a command means the one beside it.
    return given | written | {"PATH": f"{Path(sys.executable).parent}:{search_path}"}


def _proxy(facts: PodFacts, written: Mapping[str, str]) -> dict[str, str]:
    if facts.outbound_proxy is None:
        return {}
    values = {_HTTP_PROXY: facts.outbound_proxy, _NO_PROXY: _WITHOUT_PROXY}
    if facts.called.has_tls:
        values[_HTTPS_PROXY] = facts.outbound_proxy
    return {
        name: value
        for names, value in values.items()
        if not any(name in written for name in names)
        for name in names
    }


def _stub_command(facts: PodFacts, container: Container) -> tuple[str, ...]:
    """The stub on the container's ports; by its file and without site-packages it starts in half the time."""
    workload = facts.workload
    identity = {
        "workload": workload.name,
        "version": workload.labels.get("version", ""),
        "pod": facts.name,
        "namespace": workload.namespace,
        "service": workload.labels.get("app", workload.name),
        "container": container.name,
        "image": container.image,
        "ports": {port: facts.real_port(port) for port in _served(facts, container)},
    }
    return (sys.executable, "-I", "-S", str(_STUB), json.dumps(identity))


def _served(facts: PodFacts, container: Container) -> list[int]:
    """The declared ports; for the first stub of a pod also those that only a Service names."""
    ports = [port.number for port in container.ports if port.protocol == "TCP"]
    stubs = [other for other in facts.workload.containers if not other.command]
    if container is stubs[0]:
        ports += [port for port in facts.ports if port not in facts.workload.declared_ports]
    return ports
