"""The clients of the faults, well-behaved and not."""

from __future__ import annotations

import http.client
import ssl
from collections import Counter
from collections.abc import Callable

from loadgen.errors import Refused
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Observation
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.meshstate.access_log import GATEWAY
from loadgen.proofs.common.access import outcome
from loadgen.proofs.common.proof import ProofContext

Outcomes = Counter[str]
"""What clients got, in words, and how many of them."""
Client = Callable[[ProofContext, int], Outcomes]
"""Sends so many requests through the gateway, and says what came back."""
ANSWERED = "200 of webapp, logic"
"""What a client that sends sentences gets from a mesh without a fault."""
NOT_TLS = "the answer is not TLS"
"""What a client that speaks TLS gets from a port that does not."""
PATIENCE_SECONDS = 10.0
_CONNECTIONS = 4


def sentences(*, patience_seconds: float = PATIENCE_SECONDS, at_once: bool = False) -> Client:
    """A client that sends sentences and closes the connection if there is no answer in time."""

    def send(context: ProofContext, count: int) -> Outcomes:
        plan = LoadPlan(
            sentiment_requests(),
            count,
            count if at_once else _CONNECTIONS,
            patience_seconds,
            keep_answers=True,
        )
        return Counter(map(_in_words, context.send(plan).observations))

    return send


PATIENT = sentences()
"""A client that sends a few sentences at once, and waits for the answers."""


def over_tls(context: ProofContext, count: int) -> Outcomes:
    """A client that asks for the page at the gateway's port 443, whatever its certificate is."""
    address = context.gateway.connect_to, _tls_port(context)
    trusting = ssl._create_unverified_context()  # noqa: S323 (the port is judged, not the certificate)
    return Counter(_status_over_tls(address, trusting) for _ in range(count))


def _status_over_tls(address: tuple[str, int], trusting: ssl.SSLContext) -> str:
    connection = http.client.HTTPSConnection(*address, timeout=PATIENCE_SECONDS, context=trusting)
    try:
        connection.request("GET", "/about")
        return str(connection.getresponse().status)
    except ssl.SSLError:
        return NOT_TLS
    except OSError as error:
        return str(error)
    finally:
        connection.close()


def _tls_port(context: ProofContext) -> int:
    """The gateway's port 443: localmesh names it; on a cluster it is beside the port for plain HTTP."""
    try:
        ports = context.api.document("/mesh")["gateways"][GATEWAY]
    except Refused:
        beside = {80: 443, 8080: 8443}
        if context.gateway.port not in beside:
            raise UnsupportedConfig(f"the port for TLS beside {context.gateway.url} is not known") from None
        return beside[context.gateway.port]
    urls = [url for name, url in ports.items() if name.endswith("-443")]
    if not urls:
        raise NotConfigured(f"{GATEWAY} has no port 443")
    return int(urls[0].rpartition(":")[2])


def _in_words(one: Observation) -> str:
    return outcome(one) if one.loss is None else one.loss.meaning
