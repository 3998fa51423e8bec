"""All faults: a table."""

from __future__ import annotations

from typing import Any

from loadgen.faults.clients import ANSWERED, sentences
from loadgen.faults.fault import Fault
from loadgen.meshstate.response_flags import GATEWAY
from loadgen.proofs.common.proof import Proof

FAULTS = (
    Fault(
        flag="UH",
        workload=GATEWAY,
        symptom="503 no healthy upstream",
        client=sentences(),
        repaired=ANSWERED,
    ),
)
"""In the order of docs/troubleshooting/README.md."""


def fault_proofs() -> dict[str, Proof[Any, Any]]:
    """The proofs of all faults by name: that of each fault, then that of its repair."""
    return {proof.scenario: proof for fault in FAULTS for proof in fault.proofs}
