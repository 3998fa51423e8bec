"""Network policies between real pods: the cluster's network allows exactly the table's connections.

The pods only listen and connect, have no sidecars, and have the labels that policies select. Connections to
and from other namespaces (the gateway, Prometheus) are covered only by tests/test_network_policies.py.
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
from tests.test_network_policies import BLOCKED, REQUIRED, Endpoint, words

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

_OWN_NAMESPACES = (*NAMESPACES, "default")
_LEAST_PORT = 1024
"""A pod without privileges cannot listen on a lower port, so a test of one would prove nothing."""
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

Connection = tuple[Endpoint, Endpoint, int]


def _between_own_pods(cases: Sequence[Connection]) -> list[Connection]:
    return [
        (source, destination, port)
        for source, destination, port in cases
        if {source.namespace, destination.namespace} <= set(_OWN_NAMESPACES) and port >= _LEAST_PORT
    ]


OPEN, CLOSED = _between_own_pods(REQUIRED), _between_own_pods(BLOCKED)
ENDS = list({repr(end): end for case in (*OPEN, *CLOSED) for end in case[:2]}.values())
PORTS = sorted({port for *_, port in (*OPEN, *CLOSED)})


@dataclass(frozen=True)
class PolicyPods:
    """The pods of ENDS with their addresses, after the policies were applied."""

    kube: Kube
    addresses: tuple[str, ...]

    def is_open(self, connection: Connection) -> bool:
        """Whether the source can connect to the destination."""
        source, destination, port = connection
        name, namespace = _name(source), str(source.namespace)
        address = self.addresses[ENDS.index(destination)]
        command = ("python", "-c", _CONNECT, address, f"{port}")
        return self.kube("-n", namespace, "exec", name, "--", *command).strip() == "open"

    def is_enforced(self) -> bool:
        """Whether the network enforces policies: blocked connections fail within some time."""
        end = time.monotonic() + _ENFORCED_WITHIN_SECONDS
        while time.monotonic() < end:
            if not any(map(self.is_open, CLOSED)):
                return True
        return not all(map(self.is_open, CLOSED))


def _name(end: Endpoint) -> str:
    return f"{_LABEL}-{ENDS.index(end)}"


def _pod(end: Endpoint) -> Object:
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
def deployed(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyPods]:
    """The running pods under the policies; skipped if the cluster's network does not enforce any."""
    kube.remove_application()
    component = ROOT / "k8s" / "components" / "network-policies"
    objects = build(tmp_path_factory.mktemp("policies"), ROOT / "istio" / "overlays" / "egress", component)
    wanted = [item for item in objects if item["kind"] in {"Namespace", "NetworkPolicy"}]
    try:
        for item in (*sorted(wanted, key=lambda item: str(item["kind"])), *map(_pod, ENDS)):
            kube("apply", "--filename=-", given=json.dumps(item))
        for namespace in _OWN_NAMESPACES:
            all_ready = ("--selector", f"{_LABEL}=true", "--for=condition=Ready", "--timeout=120s")
            kube("-n", namespace, "wait", "pods", *all_ready)
        pods = PolicyPods(kube, tuple(_address(kube, end) for end in ENDS))
        if not pods.is_enforced():
            pytest.skip("this cluster's network does not enforce NetworkPolicies")
        yield pods
    finally:
        kube.remove_application()
        kube("-n", "default", "delete", "pods", "--selector", f"{_LABEL}=true")


def _address(kube: Kube, end: Endpoint) -> str:
    return kube("-n", str(end.namespace), "get", "pod", _name(end), "--output=jsonpath={.status.podIP}")


@pytest.mark.parametrize("case", OPEN, ids=words)
def test_required_connections_are_allowed(deployed: PolicyPods, case: Connection) -> None:
    """A pod with these labels can connect."""
    assert deployed.is_open(case)


@pytest.mark.parametrize("case", CLOSED, ids=words)
def test_other_connections_are_blocked(deployed: PolicyPods, case: Connection) -> None:
    """A pod that does not need a service cannot connect to it."""
    assert not deployed.is_open(case)
