"""Verdicts: what a count says about what was expected. Knows no HTTP and prints nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from loadgen.binomial import Interval, clopper_pearson, percent
from loadgen.design import CONFIDENCE, Design


class Verdict(StrEnum):
    """How a check, a scenario or a whole report ended."""

    PASS = "PASS"  # noqa: S105 (a verdict, not a password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Count:
    """Yeses among trials; for `unknown` of the trials nobody knows, and they are not among the yeses."""

    successes: int
    trials: int
    unknown: int = 0

    @property
    def share(self) -> float | None:
        """The yeses among what is known, in 0..1; None if nothing is known."""
        known = self.trials - self.unknown
        return self.successes / known if known else None


@dataclass(frozen=True, slots=True)
class Measured:
    """A count, the design it was made for, and the interval in which the true share lies."""

    count: Count
    design: Design
    interval: Interval


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and the verdict; without `measured` there was nothing to count."""

    name: str
    verdict: Verdict
    expected: str
    reason: str = ""
    measured: Measured | None = None


def judge(name: str, expected: str, plan: Design, count: Count, *, note: str = "") -> Check:
    """The verdict on a share, by the rule of `loadgen.design`; `note` tells more if it is not PASS.

    Unknown outcomes widen the interval to what it would be whatever they were: they can turn a PASS into
    INCONCLUSIVE, never a deviation into a PASS.
    """
    interval = clopper_pearson(count.successes, count.trials, CONFIDENCE, unknown=count.unknown)
    measured = Measured(count, plan, interval)
    if plan.expected not in interval:
        reason = f"wanted {percent(plan.expected)}, but the true share is in {interval}"
        return Check(name, Verdict.FAIL, expected, _joined(reason, note), measured)
    if count.share is not None and plan.noticed < 1 and interval.within(plan.band):
        return Check(name, Verdict.PASS, expected, "", measured)
    reason = _too_little(plan, count, interval)
    return Check(name, Verdict.INCONCLUSIVE, expected, _joined(reason, note), measured)


def failed(name: str, expected: str, reason: str) -> Check:
    """A check that fails without counting: what it asks for is not there."""
    return Check(name, Verdict.FAIL, expected, reason)


def inconclusive(name: str, expected: str, reason: str) -> Check:
    """A check that cannot be judged, and why."""
    return Check(name, Verdict.INCONCLUSIVE, expected, reason)


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several: FAIL wins over INCONCLUSIVE, and nothing checked is INCONCLUSIVE."""
    found = set(verdicts)
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found == {Verdict.PASS} else Verdict.INCONCLUSIVE


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _too_little(plan: Design, count: Count, interval: Interval) -> str:
    if count.share is None:
        return f"no data ({plan.trials:,} planned)"
    if plan.noticed >= 1:
        return f"{plan.trials:,} are too few to notice anything"
    missing = []
    if count.trials < plan.trials:
        missing.append(f"{count.trials:,} of {plan.trials:,} planned")
    if count.unknown:
        missing.append(f"{count.unknown:,} of unknown outcome")
    why = ", ".join(missing) or "by chance few"
    return f"too little data ({why}): {interval} reaches beyond {plan.band}"
