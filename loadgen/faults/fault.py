"""A fault of the mesh that one response flag names, and two proofs: it causes the flag, its repair ends it.

Nothing is left to chance here: the flag is that of every request, or of none.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from loadgen.faults.clients import ANSWERED, PATIENT, Client, Outcomes
from loadgen.meshstate import Resources
from loadgen.meshstate.access_log import Entry, new_entries, read_logs
from loadgen.proofs.common.proof import Proof, ProofContext
from loadgen.statistics.judge import Cause, Check, exact_check, unless

TIMES = 20
"""How many requests have to have the flag."""
FOLDER = "faults"
"""The folder of all faults, beside that of the overlays of scenarios."""
REPAIRED = "repaired"
"""The folder of the repair, in that of the fault."""
LOGGED_SECONDS = 15.0
"""How long to wait for a proxy to log what has ended: Istio's proxies write their logs every second."""
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Fault:
    """A configuration with one mistake, and what it makes of a request.

    `workload` is the one whose proxy logs the flag. `client` gets `symptom`, and after the repair that one,
    or `repaired_client`, gets `repaired`. `admitted` requests more than `TIMES` are sent that get `repaired`
    despite the fault. A fault without a flag has `details`: how its response code details begin.
    """

    flag: str
    workload: str
    symptom: str
    _: KW_ONLY
    client: Client = PATIENT
    repaired_client: Client | None = None
    repaired: str = ANSWERED
    admitted: int = 0
    details: str = ""

    @property
    def name(self) -> str:
        """The folder of the fault."""
        return f"{FOLDER}/{self.flag.lower()}"

    @property
    def ending(self) -> str:
        """What it makes of a request, in a few words."""
        return self.details or self.flag

    def causes(self, entry: Entry) -> bool:
        """Whether a request that ended so had the fault."""
        return entry.details.startswith(self.details) if self.details else entry.has(self.flag)

    @property
    def proofs(self) -> tuple[Proof[None, Observed], Proof[None, Observed]]:
        """The proof that every request has the flag, and the one that none has it after the repair."""
        return (
            self._proof(self.name, f"every request ends with {self.ending}", self.client, _judge_fault),
            self._proof(
                f"{self.name}/{REPAIRED}",
                f"no request ends with {self.ending}",
                self.repaired_client or self.client,
                _judge_repair,
            ),
        )

    def _proof(
        self, name: str, proves: str, client: Client, judge: Callable[[Fault, Observed], list[Check]]
    ) -> Proof[None, Observed]:
        return Proof(
            scenario=name,
            proves=proves,
            read=_nothing,
            facts=lambda _: {},
            measure=lambda context, _: measure(context, self, client),
            judge=lambda _, observed: judge(self, observed),
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """What the clients got, and how many requests the proxy logged, with the flag and in all."""

    outcomes: Outcomes
    flagged: int
    logged: int


def measure(context: ProofContext, fault: Fault, client: Client) -> Observed:
    """Send the requests, and wait until the proxy has logged them."""
    before = read_logs(context.api, fault.workload)
    sent = TIMES + fault.admitted
    outcomes = client(context, sent)
    end = time.monotonic() + LOGGED_SECONDS
    while True:
        entries = new_entries(before, read_logs(context.api, fault.workload), fault.workload)
        if len(entries) >= sent or time.monotonic() > end:
            return Observed(outcomes, sum(map(fault.causes, entries)), len(entries))
        time.sleep(POLL_SECONDS)


def _nothing(_: Resources) -> None:
    """What a fault does is not computed from the configuration: it is a mistake in it."""


def _judge_fault(fault: Fault, observed: Observed) -> list[Check]:
    expected = Counter({fault.symptom: TIMES}) + Counter({fault.repaired: fault.admitted})
    return _checks(fault, observed, expected, TIMES)


def _judge_repair(fault: Fault, observed: Observed) -> list[Check]:
    return _checks(fault, observed, Counter({fault.repaired: TIMES + fault.admitted}), 0)


def _checks(fault: Fault, observed: Observed, expected: Outcomes, flagged: int) -> list[Check]:
    """The answers, and the flag; the latter cannot be judged if the proxy logged not just these requests."""
    sent = expected.total()
    flag = exact_check(
        f"{fault.flag} at {fault.workload}",
        f"{flagged} of {sent}",
        f"{observed.flagged} of {observed.logged}",
    )
    cause = Cause.FOREIGN_TRAFFIC if observed.logged > sent else Cause.TOO_FEW
    others = "" if observed.logged == sent else f"the proxy logged {observed.logged} requests"
    return [
        exact_check("answers", in_words(expected), in_words(observed.outcomes)),
        unless(flag, cause, others),
    ]


def in_words(outcomes: Outcomes) -> str:
    """Outcomes with their numbers, the most frequent first.

    >>> in_words(Counter({"200": 1, "503": 20}))
    '20 × 503, 1 × 200'
    """
    return ", ".join(f"{count} × {outcome}" for outcome, count in outcomes.most_common())
