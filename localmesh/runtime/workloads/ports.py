"""Free ports for pods and proxies."""

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
    """Every port that localmesh may use is taken."""


class FreePorts:
    """Gives out ports of 127.0.0.1, none of them twice, and none that another mesh of this machine gives out.

    They are below the range from which the kernel serves outgoing connections: a port out of that
    range could be taken by any connection while a pod that has it restarts. They are below Kubernetes'
    node ports, too: kube-proxy turns those away before a listener sees them, and binding them succeeds
    all the same, so that on a machine with a cluster a pod would never become ready. They come in blocks; the
    first port of a block is held for as long as the others are given out, so that two meshes never share
    one, not even while a process that has a port restarts. A program that is not a mesh can still take a
    port before it is used; `is_free` tells that apart from other failures.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        first = min(_first_ephemeral(), _FIRST_NODE_PORT)
        self._blocks = range(_LOWEST, (first if first > _LOWEST + 1_000 else _HIGHEST) - _BLOCK, _BLOCK)
        # Not a secret: it only spares looking at blocks that are probably taken.
        self._start = random.randrange(len(self._blocks))  # noqa: S311
        self._looked_at = 0
        self._ports: list[int] = []
        self._claims: list[socket.socket] = []
        # One that is dropped without `close`, as for a single port, must not hold its block for ever.
        self._release = weakref.finalize(self, _close_all, self._claims)

    def take(self) -> int:
        """A port that nobody listens on and that was not given out before. Raises NoFreePortError."""
        while True:
            for port in self._ports:
                if port not in self._given and is_free(port):
                    self._given.add(port)
                    return port
            self._claim_a_block()

    def give_back(self, port: int) -> None:
        """Allow a port to be given out again."""
        self._given.discard(port)

    def close(self) -> None:
        """Let other meshes have the ports."""
        self._release()

    def _claim_a_block(self) -> None:
        while self._looked_at < len(self._blocks):
            first = self._blocks[(self._start + self._looked_at) % len(self._blocks)]
            self._looked_at += 1
            # without SO_REUSEADDR, so that nobody else can bind it as long as this socket is open
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


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as servers do: TIME_WAIT is no hindrance
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _FIRST_EPHEMERAL_ELSEWHERE
