"""Addresses of the loopback that stand for the hosts that pods call by TCP."""

from __future__ import annotations

import random
import socket

from localmesh.catalog import LOOPBACK, Address
from localmesh.runtime.workloads.ports import FreePorts, is_free

_CLAIMED_PORT = 20_000
_NETWORKS = range(16, 255)  # 127.16.0.0/16 and so on: others use addresses such as 127.0.1.1
_HOSTS_OF_A_NETWORK = 65_000


class LoopbackHosts:
    """Allocates an address for each pod and host, and none that another mesh on this machine allocates.

    Linux has all addresses of 127.0.0.0/8. A mesh claims a network of these by a socket that stays bound as
    long as the mesh runs, as `FreePorts` does. Where there are no such addresses (macOS has only 127.0.0.1),
    and for ports that only root may use or that others use, a free port stands for the host's.
    """

    def __init__(self, free_ports: FreePorts) -> None:
        self._free_ports = free_ports
        self._claim: socket.socket | None = None
        self._network: str | None = None
        self._hosts: dict[tuple[str, str], str] = {}
        self._allocated: dict[tuple[str, str, int], Address] = {}

    def address(self, pod: str, host: str, port: int) -> Address:
        """Where a pod's sidecar listens for a port of a host, always the same. Raises NoFreePortError."""
        key = (pod, host, port)
        if key not in self._allocated:
            own = Address(self._host(pod, host), port)
            usable = own.host != LOOPBACK and is_free(port, own.host)
            self._allocated[key] = own if usable else Address(LOOPBACK, self._free_ports.take())
        return self._allocated[key]

    def close(self) -> None:
        """Releases all addresses."""
        if self._claim is not None:
            self._claim.close()

    def _host(self, pod: str, host: str) -> str:
        if self._claim is None and self._network is None:
            self._claim_a_network()
        number = len(self._hosts) + 1
        if not self._network or number > _HOSTS_OF_A_NETWORK:
            return LOOPBACK
        return self._hosts.setdefault((pod, host), f"{self._network}.{number // 250}.{number % 250 + 1}")

    def _claim_a_network(self) -> None:
        """Claims a network; "" where this machine has none, or all are claimed."""
        self._network = ""
        # not a secret: a random order avoids networks that are probably in use
        for number in random.sample(_NETWORKS, len(_NETWORKS)):
            claim = socket.socket()
            try:
                claim.bind((f"127.{number}.0.1", _CLAIMED_PORT))
            except OSError:
                claim.close()
                continue
            self._claim, self._network = claim, f"127.{number}"
            return
