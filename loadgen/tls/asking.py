"""One request over a connection of its own, in plain text or over TLS, and how it ended in words.

The certificates in this folder are for tests, and everyone has their keys: that of a client whose CA the
gateway of the scenario tls trusts, and that of a stranger. The key of the CA was not kept.
"""

from __future__ import annotations

import http.client
import re
import select
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from loadgen.measurement.served_by import HEADER, hops

FOLDER = Path(__file__).parent
CA = FOLDER / "demo-ca.crt"
CLIENT = FOLDER / "demo-client.pem"
STRANGER = FOLDER / "demo-stranger.pem"
TIMEOUT_SECONDS = 10.0
_ALERT = re.compile(r"^(tls|ssl)v\d+ alert ")


@dataclass(frozen=True, slots=True)
class Identity:
    """How a client speaks TLS: its certificate with key, if it has one, and the newest version it knows."""

    certificate: Path | None = None
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    def context(self) -> ssl.SSLContext:
        """The settings for connections; servers must have a certificate of the CA for tests."""
        context = ssl.create_default_context(cafile=CA)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        context.maximum_version = self.newest
        if self.certificate is not None:
            context.load_cert_chain(self.certificate)
        return context


def ask(
    address: tuple[str, int],
    host: str,
    path: str,
    identity: Identity | None = None,
    *,
    refusal_seconds: float = 0.0,
) -> str:
    """The outcome of a GET for a host, sent to an address; without an identity, in plain text.

    It is the status with the services that answered or the location of a redirect; or, where TLS ends without
    an answer, the reason that either side gives. With TLS 1.3, a server refuses a client when this believes
    to be connected; a request sent at that moment can make the reason get lost, so `refusal_seconds` is how
    long to wait for one.
    """
    try:
        with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as plain:
            if identity is None:
                return _exchange(plain, host, path)
            with identity.context().wrap_socket(plain, server_hostname=host) as connection:
                if refusal_seconds and select.select([connection], [], [], refusal_seconds)[0]:
                    connection.recv(1)  # raises what the alert says
                return _exchange(connection, host, path)
    except (OSError, http.client.BadStatusLine) as error:
        return f"{'no answer' if identity is None else 'TLS'}: {_reason(error)}"


def _reason(error: Exception) -> str:
    """Why there is no answer, in lower case."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLEOFError | ConnectionError | http.client.BadStatusLine):
        return "connection closed"
    if isinstance(error, ssl.SSLError):
        return _ALERT.sub("", (error.reason or str(error)).lower().replace("_", " "))
    return "none in time" if isinstance(error, TimeoutError) else str(error)


def _exchange(connection: socket.socket, host: str, path: str) -> str:
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    if location := answer.getheader("location"):
        return f"{answer.status} to {location}"
    served_by = answer.getheader(HEADER.decode())
    services = ", ".join(hop.service for hop in hops((served_by or "").encode()))
    return f"{answer.status} of {services}" if services else str(answer.status)
