"""Allocates free ports for pods and proxies."""

from __future__ import annotations

import random
import socket
import weakref
from pathlib import Path

from localmesh.catalog import LOOPBACK
from localmesh.errors import LocalmeshError

_LOWEST, _HIGHEST = 20_000, 65_535
_FIRST_NODE_PORT = 30_000  # Kubernetes' default range ends at 32767
_BLOCK = 64
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_EPHEMERAL_ELSEWHERE = 49_152  # macOS, and what IANA reserves for the purpose


class NoFreePortError(LocalmeshError):
    """All ports that localmesh may use are in use."""


class FreePorts:
    """Allocates ports of 127.0.0.1, each once, and none that another mesh on this machine allocates.

    They are below the range that the kernel uses for outgoing connections: any connection could take a port
    of that range while the pod that has it restarts. They are also below Kubernetes' node ports: kube-proxy
    intercepts connections to those, although binding them succeeds, so that on a machine with a cluster a pod
    would never become ready. Ports are allocated in blocks. The first port of a block stays bound as long as
    the others are allocated, so that two meshes never share one, even while the process of a port restarts.
    Another program can still take a port before it is used; `is_free` distinguishes that from other failures.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        first = min(_first_ephemeral(), _FIRST_NODE_PORT)
        self._blocks = range(_LOWEST, (first if first > _LOWEST + 1_000 else _HIGHEST) - _BLOCK, _BLOCK)
        # Not a secret: a random start avoids blocks that are probably in use.
        self._start = random.randrange(len(self._blocks))  # noqa: S311
        self._tried = 0
        self._ports: list[int] = []
        self._claims: list[socket.socket] = []
        # An allocator that is dropped without `close`, as for a single port, must release its block.
        self._release = weakref.finalize(self, _close_all, self._claims)

    def take(self) -> int:
        """A port on which nothing listens and that has not been allocated yet. Raises NoFreePortError."""
        while True:
            for port in self._ports:
                if port not in self._given and is_free(port):
                    self._given.add(port)
                    return port
            self._claim_a_block()

    def give_back(self, port: int) -> None:
        """Allows a port to be allocated again."""
        self._given.discard(port)

    def close(self) -> None:
        """Releases all ports."""
        self._release()

    def _claim_a_block(self) -> None:
        while self._tried < len(self._blocks):
            first = self._blocks[(self._start + self._tried) % len(self._blocks)]
            self._tried += 1
            # without SO_REUSEADDR, so that no other process can bind it while this socket is open
            claim = socket.socket()
            try:
                claim.bind((LOOPBACK, first))
            except OSError:
                claim.close()
                continue
            self._claims.append(claim)
            self._ports.extend(range(first + 1, first + _BLOCK))
            return
        raise NoFreePortError(
            f"no port between {self._blocks.start} and {self._blocks.stop} is free on {LOOPBACK}"
        )


def _close_all(claims: list[socket.socket]) -> None:
    for claim in claims:
        claim.close()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: TIME_WAIT does not matter
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _FIRST_EPHEMERAL_ELSEWHERE
