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
from loadgen.meshstate.response_flags import Answer, counted_answers
from loadgen.proofs.common.proof import Proof, ProofContext
from loadgen.statistics.judge import Cause, Check, exact_check, unless

TIMES = 20
"""How many requests have to have the flag."""
FOLDER = "faults"
"""The folder of all faults, beside that of the overlays of scenarios."""
REPAIRED = "repaired"
"""The folder of the repair, in that of the fault."""
COUNTED_SECONDS = 5.0
"""How long to wait for a proxy to count what has ended; the longest delay is that of a closed connection."""
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Fault:
    """A configuration with one mistake, and what it makes of a request.

    `workload` is the one whose proxy logs the flag, and `symptom` what the client gets, in the words of
    `client`, which gets `repaired` after the repair. `admitted` requests more than `TIMES` are sent at once
    that get `repaired` despite the fault. `status` is for a fault that has no flag.
    """

    flag: str
    workload: str
    symptom: str
    _: KW_ONLY
    client: Client = PATIENT
    repaired: str = ANSWERED
    admitted: int = 0
    status: str = ""

    @property
    def name(self) -> str:
        """The folder of the fault."""
        return f"{FOLDER}/{self.flag.lower()}"

    @property
    def ending(self) -> str:
        """What it makes of a request, in a few words."""
        return f"{self.status} and no flag" if self.status else self.flag

    def causes(self, answer: Answer) -> bool:
        """Whether an answer that a proxy has counted is that of the fault."""
        return answer == Answer(self.status, "-") if self.status else answer.has(self.flag)

    @property
    def proofs(self) -> tuple[Proof[None, Observed], Proof[None, Observed]]:
        """The proof that every request has the flag, and the one that none has it after the repair."""
        return (
            self._proof(self.name, f"every request ends with {self.ending}", _judge_fault),
            self._proof(f"{self.name}/{REPAIRED}", f"no request ends with {self.ending}", _judge_repair),
        )

    def _proof(
        self, name: str, proves: str, judge: Callable[[Fault, Observed], list[Check]]
    ) -> Proof[None, Observed]:
        return Proof(
            scenario=name,
            proves=proves,
            read=_nothing,
            facts=lambda _: {},
            measure=lambda context, _: measure(context, self),
            judge=lambda _, observed: judge(self, observed),
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """What the clients got, and how many requests the proxy counted, with the flag and in all."""

    outcomes: Outcomes
    flagged: int
    counted: int


def measure(context: ProofContext, fault: Fault) -> Observed:
    """Send the requests, and wait until the proxy has counted them."""
    before = counted_answers(context.api, fault.workload)
    sent = TIMES + fault.admitted
    outcomes = fault.client(context, sent)
    end = time.monotonic() + COUNTED_SECONDS
    while True:
        new = counted_answers(context.api, fault.workload) - before
        if new.total() >= sent or time.monotonic() > end:
            flagged = sum(count for answer, count in new.items() if fault.causes(answer))
            return Observed(outcomes, flagged, new.total())
        time.sleep(POLL_SECONDS)


def _nothing(_: Resources) -> None:
    """What a fault does is not computed from the configuration: it is a mistake in it."""


def _judge_fault(fault: Fault, observed: Observed) -> list[Check]:
    expected = Counter({fault.symptom: TIMES}) + Counter({fault.repaired: fault.admitted})
    return _checks(fault, observed, expected, TIMES)


def _judge_repair(fault: Fault, observed: Observed) -> list[Check]:
    return _checks(fault, observed, Counter({fault.repaired: TIMES + fault.admitted}), 0)


def _checks(fault: Fault, observed: Observed, expected: Outcomes, flagged: int) -> list[Check]:
    """The answers, and the flag; the latter cannot be judged if the proxy counted not just these requests."""
    sent = expected.total()
    flag = exact_check(
        f"{fault.flag} at {fault.workload}",
        f"{flagged} of {sent}",
        f"{observed.flagged} of {observed.counted}",
    )
    cause = Cause.FOREIGN_TRAFFIC if observed.counted > sent else Cause.TOO_FEW
    miscounted = "" if observed.counted == sent else f"the proxy counted {observed.counted} requests"
    return [
        exact_check("answers", in_words(expected), in_words(observed.outcomes)),
        unless(flag, cause, miscounted),
    ]


def in_words(outcomes: Outcomes) -> str:
    """Outcomes with their numbers, the most frequent first.

    >>> in_words(Counter({"200": 1, "503": 20}))
    '20 × 503, 1 × 200'
    """
    return ", ".join(f"{count} × {outcome}" for outcome, count in outcomes.most_common())
