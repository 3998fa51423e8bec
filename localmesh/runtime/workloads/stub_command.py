"""The built-in stub as the command of containers whose manifest names none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from localmesh import stub
from localmesh.catalog.container import Container
from localmesh.runtime.workloads.facts import PodFacts

_SCRIPT = Path(stub.__file__).with_name("server.py")


def stub_command(facts: PodFacts, container: Container) -> tuple[str, ...]:
    """Run the stub on the container's ports. By its file and without site-packages: half the start time."""
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
    return (sys.executable, "-I", "-S", str(_SCRIPT), json.dumps(identity))


def _served(facts: PodFacts, container: Container) -> list[int]:
    """Its declared ports; the first stub of a pod also those that only a Service knows of."""
    ports = [port.number for port in container.ports if port.protocol == "TCP"]
    stubs = [each for each in facts.workload.containers if not each.command]
    if container is stubs[0]:
        ports += [port for port in facts.ports if port not in facts.workload.declared_ports]
    return ports
