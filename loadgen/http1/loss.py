"""The ways in which a request can end without a complete answer."""

from __future__ import annotations

import errno
import socket
from enum import StrEnum


class Loss(StrEnum):
    """Why a request got no complete answer; every lost request has exactly one kind."""

    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect-timeout"
    LOCAL = "local"
    TIMEOUT = "timeout"
    RESET = "reset"
    CLOSED = "closed"
    TRUNCATED = "truncated"
    PROTOCOL = "protocol"
    ABANDONED = "abandoned"

    @property
    def meaning(self) -> str:
        """One phrase for people."""
        return _MEANINGS[self]


_MEANINGS = {
    Loss.DNS: "the host name has no address",
    Loss.REFUSED: "connection refused",
    Loss.UNREACHABLE: "no route to the host",
    Loss.CONNECT_TIMEOUT: "no connection in time",
    Loss.LOCAL: "this machine ran out of ports, files or memory for connections",
    Loss.TIMEOUT: "no whole answer in time",
    Loss.RESET: "connection reset by the peer",
    Loss.CLOSED: "connection closed before the answer",
    Loss.TRUNCATED: "connection closed within the answer",
    Loss.PROTOCOL: "the answer is not HTTP/1.1",
    Loss.ABANDONED: "still open when the run was ended",
}

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_LOCAL = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}


def loss_of_connecting(error: OSError) -> Loss:
    """The kind of loss for a failed connection attempt."""
    if isinstance(error, socket.gaierror):
        return Loss.DNS
    if isinstance(error, TimeoutError):
        return Loss.CONNECT_TIMEOUT
    if isinstance(error, ConnectionRefusedError):
        return Loss.REFUSED
    if error.errno in _LOCAL:
        return Loss.LOCAL
    return Loss.RESET if isinstance(error, ConnectionError) else Loss.UNREACHABLE
