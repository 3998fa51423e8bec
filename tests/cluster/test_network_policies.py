"""Network policies between real pods: what the table of connections says is what the cluster's network does.

The pods only listen and connect, have no sidecars, and bear the labels by which policies select them. Ends in
namespaces of others (the gateway, Prometheus) are left to the table's own test.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.cluster.kube import NAMESPACES, Kube
from tests.kustomize_builds import Object, build
from tests.live import ROOT
from tests.test_network_policies import NEEDED, UNWANTED, Ending, words

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

_OWN_NAMESPACES = (*NAMESPACES, "default")
_LEAST_PORT = 1024
"""Below it a pod without privileges cannot listen, and who does not listen is not reached anyway."""
_LABEL = "sentimesh-test"
_LISTEN = """
import selectors, socket, sys
waiting = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    waiting.register(socket.create_server(("0.0.0.0", port), backlog=64), selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        key.fileobj.accept()[0].close()
"""
_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except OSError as error:
    print(type(error).__name__)
"""
_ENFORCED_WITHIN_SECONDS = 30.0

Connection = tuple[Ending, Ending, int]


def _between_own_pods(cases: Sequence[Connection]) -> list[Connection]:
    return [
        (source, destination, port)
        for source, destination, port in cases
        if {source.namespace, destination.namespace} <= set(_OWN_NAMESPACES) and port >= _LEAST_PORT
    ]


OPEN, CLOSED = _between_own_pods(NEEDED), _between_own_pods(UNWANTED)
ENDS = list({repr(end): end for case in (*OPEN, *CLOSED) for end in case[:2]}.values())
PORTS = sorted({port for *_, port in (*OPEN, *CLOSED)})


@dataclass(frozen=True)
class Deployer:
    """The pods, by their places in ENDS, under the policies."""

    kube: Kube
    addresses: tuple[str, ...]

    def is_open(self, connection: Connection) -> bool:
        """Whether one pod gets a connection to the other."""
        source, destination, port = connection
        name, namespace = _name(source), str(source.namespace)
        address = self.addresses[ENDS.index(destination)]
        command = ("python", "-c", _CONNECT, address, f"{port}")
        return self.kube("-n", namespace, "exec", name, "--", *command).strip() == "open"

    def is_enforced(self) -> bool:
        """Whether what must be refused is, once the cluster's network has had time for it."""
        end = time.monotonic() + _ENFORCED_WITHIN_SECONDS
        while time.monotonic() < end:
            if not any(map(self.is_open, CLOSED)):
                return True
        return not all(map(self.is_open, CLOSED))


def _name(end: Ending) -> str:
    return f"{_LABEL}-{ENDS.index(end)}"


def _pod(end: Ending) -> Object:
    """A pod that listens on every port of the table."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": _name(end),
            "namespace": end.namespace,
            "labels": {**end.labels, _LABEL: "true", "sidecar.istio.io/inject": "false"},
        },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "listen",
                    "image": "sentimesh/logic",
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python", "-c", _LISTEN, *map(str, PORTS)],
                    "readinessProbe": {"tcpSocket": {"port": PORTS[-1]}, "periodSeconds": 1},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def stage(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    """All pods up, and the policies in force; skipped where the cluster's network does not enforce them."""
    kube.remove_application()
    component = ROOT / "k8s" / "components" / "network-policies"
    objects = build(tmp_path_factory.mktemp("policies"), ROOT / "istio" / "overlays" / "egress", component)
    wanted = [each for each in objects if each["kind"] in {"Namespace", "NetworkPolicy"}]
    try:
        for each in (*sorted(wanted, key=lambda one: str(one["kind"])), *map(_pod, ENDS)):
            kube("apply", "--filename=-", given=json.dumps(each))
        for namespace in _OWN_NAMESPACES:
            all_of_it = ("--selector", f"{_LABEL}=true", "--for=condition=Ready", "--timeout=120s")
            kube("-n", namespace, "wait", "pods", *all_of_it)
        found = Deployer(kube, tuple(_address(kube, end) for end in ENDS))
        if not found.is_enforced():
            pytest.skip("this cluster's network enforces no NetworkPolicy")
        yield found
    finally:
        kube.remove_application()
        kube("-n", "default", "delete", "pods", "--selector", f"{_LABEL}=true")


def _address(kube: Kube, end: Ending) -> str:
    return kube("-n", str(end.namespace), "get", "pod", _name(end), "--output=jsonpath={.status.podIP}")


@pytest.mark.parametrize("case", OPEN, ids=words)
def test_what_the_application_needs_gets_through(stage: Deployer, case: Connection) -> None:
    """A pod that bears the labels reaches the one that it has business with."""
    assert stage.is_open(case)


@pytest.mark.parametrize("case", CLOSED, ids=words)
def test_everything_else_is_kept_out(stage: Deployer, case: Connection) -> None:
    """Whoever has no business with a service gets no connection to it."""
    assert not stage.is_open(case)
