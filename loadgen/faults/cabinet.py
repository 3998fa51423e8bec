"""All faults: a table."""

from __future__ import annotations

from typing import Any

from loadgen.faults.clients import NOT_TLS, over_tls, sentences
from loadgen.faults.fault import Fault
from loadgen.http1.loss import Loss
from loadgen.meshstate.access_log import GATEWAY
from loadgen.proofs.common.proof import Proof

WEBAPP = "webapp"

FAULTS = (
    Fault("UH", GATEWAY, "503 no healthy upstream"),
    Fault("NR", GATEWAY, "404"),
    Fault("NC", GATEWAY, "503"),
    Fault("UF", WEBAPP, "503"),
    Fault("UC", GATEWAY, "503"),
    Fault("UO", GATEWAY, "503", client=sentences(at_once=True), admitted=1),
    Fault("UT", GATEWAY, "504 upstream request timeout", client=sentences(at_once=True)),
    Fault("URX", GATEWAY, "502 of webapp: logic answered 503"),
    Fault(
        "DC",
        GATEWAY,
        Loss.TIMEOUT.meaning,
        client=sentences(patience_seconds=3, at_once=True),
        repaired_client=sentences(patience_seconds=3),
    ),
    Fault("DPE", GATEWAY, NOT_TLS, client=over_tls, repaired="200"),
    Fault("UAEX", WEBAPP, "403 the doorman wants a header Authorization"),
    Fault("RBAC", WEBAPP, "403 RBAC: access denied", details="rbac_access_denied"),
)
"""In the order of docs/troubleshooting/README.md."""


def fault_proofs() -> dict[str, Proof[Any, Any]]:
    """The proofs of all faults by name: that of each fault, then that of its repair."""
    return {proof.scenario: proof for fault in FAULTS for proof in fault.proofs}
