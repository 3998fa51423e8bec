"""Free ports for pods and proxies."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST, _HIGHEST = 20_000, 65_535
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_EPHEMERAL_ELSEWHERE = 49_152  # macOS, and what IANA reserves for the purpose


class NoFreePortError(Exception):
    """Every port that localmesh may use is taken."""


class FreePorts:
    """Gives out ports of 127.0.0.1, none of them twice.

    They are below the range from which the kernel serves outgoing connections: a port out of that
    range could be taken by any connection while a pod that has it restarts. A port is only found
    free, not held, so that another program can still take it before it is used; start from a random
    place makes that unlikely for two meshes started at once, and `is_free` tells it apart from other
    failures.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()
        first = _first_ephemeral()
        self._last = first - 1 if first > _LOWEST + 1_000 else _HIGHEST
        # Not a secret: it only keeps two meshes apart.
        self._next = random.randint(_LOWEST, self._last)  # noqa: S311

    def take(self) -> int:
        """A port that nobody listens on and that was not given out before. Raises NoFreePortError."""
        for _ in range(_LOWEST, self._last + 1):
            port = self._next
            self._next = port + 1 if port < self._last else _LOWEST
            if port not in self._given and is_free(port):
                self._given.add(port)
                return port
        raise NoFreePortError(f"no port between {_LOWEST} and {self._last} is free on {LOOPBACK}")

    def give_back(self, port: int) -> None:
        """Allow a port to be given out again."""
        self._given.discard(port)


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
