"""Verdicts: what a count says about what was expected. Knows no HTTP and prints nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from loadgen.statistics.binomial import Interval, clopper_pearson, percent
from loadgen.statistics.design import CONFIDENCE, Design, design

TRY_AGAIN = "try again when the machine is calm"
BUSY = "the machine was busy: try again when it is calm"
"""What to do where there was too little data, or where it came too late."""


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
    """A count, the design it was made for, and the interval in which the true share lies.

    `allowed` is what the true share may be if that is more than the one share of the design.
    """

    count: Count
    design: Design
    interval: Interval
    allowed: Interval | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and the verdict; without `measured` there was nothing to count."""

    name: str
    verdict: Verdict
    expected: str
    reason: str = ""
    measured: Measured | None = None


def judge(name: str, expected: str, plan: Design, count: Count, *, note: str = "") -> Check:
    """Judge a share by the rule of `loadgen.statistics.design`; `note` explains any verdict but PASS.

    Unknown outcomes widen the interval to what it would be whatever they were: they can turn a PASS into
    INCONCLUSIVE, never a deviation into a PASS.
    """
    interval = clopper_pearson(count.successes, count.trials, CONFIDENCE, unknown=count.unknown)
    measured = Measured(count, plan, interval)
    if plan.expected not in interval:
        reason = f"wanted {percent(plan.expected)}, but the true share is in {interval}"
        return Check(name, Verdict.FAIL, expected, _joined(reason, note), measured)
    if (
        count.share is not None
        and plan.minimum_detectable_effect < 1
        and interval.within(plan.acceptance_region)
    ):
        return Check(name, Verdict.PASS, expected, "", measured)
    reason, remedy = _too_little(plan, count, interval)
    return Check(name, Verdict.INCONCLUSIVE, expected, _joined(reason, note, remedy), measured)


def judge_between(
    name: str, expected: str, plans: tuple[Design, Design], count: Count, *, note: str = ""
) -> Check:
    """The verdict on a share that may be anything from the first plan's to the second's.

    Judged against that of the possible shares which is closest to the observed one: FAIL says that none of
    them fits.
    """
    low, high = plans
    if low.expected == high.expected:
        return judge(name, expected, low, count, note=note)
    observed = low.expected if count.share is None else count.share
    plan = design(min(max(observed, low.expected), high.expected), low.trials)
    check = judge(name, expected, plan, count, note=note)
    if check.measured is None:
        return check
    # What is noticed is a deviation from the range, so it is counted from its ends.
    minimum_detectable_effect = replace(
        plan, minimum_detectable_effect=max(low.minimum_detectable_effect, high.minimum_detectable_effect)
    )
    allowed = Interval(low.expected, high.expected)
    return replace(check, measured=replace(check.measured, design=minimum_detectable_effect, allowed=allowed))


def passed(name: str, expected: str) -> Check:
    """A check that holds without counting: it was looked at, and is as it should be."""
    return Check(name, Verdict.PASS, expected)


def failed(name: str, expected: str, reason: str) -> Check:
    """A check that fails without counting: what it asks for is not there."""
    return Check(name, Verdict.FAIL, expected, reason)


def exact_check(name: str, expected: str, found: str | None) -> Check:
    """The verdict on what is not left to chance: found as expected, or not; None is nothing to look at."""
    if found is None:
        return inconclusive(name, expected, f"no data; {TRY_AGAIN}")
    if found == expected:
        return Check(name, Verdict.PASS, expected)
    return Check(name, Verdict.FAIL, expected, f"wanted {expected}, but found {found or 'nothing'}")


def inconclusive(name: str, expected: str, reason: str) -> Check:
    """A check that cannot be judged, and why."""
    return Check(name, Verdict.INCONCLUSIVE, expected, reason)


def downgrade_to_inconclusive(check: Check, reason: str) -> Check:
    """The check, open instead of failed if there is a reason for it that is not the mesh's."""
    if check.verdict is not Verdict.FAIL or not reason:
        return check
    return replace(check, verdict=Verdict.INCONCLUSIVE, reason=_joined(check.reason, reason))


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several: FAIL wins over INCONCLUSIVE, and nothing checked is INCONCLUSIVE."""
    found = set(verdicts)
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found == {Verdict.PASS} else Verdict.INCONCLUSIVE


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _too_little(plan: Design, count: Count, interval: Interval) -> tuple[str, str]:
    """What is missing, and what to do."""
    if count.share is None:
        return f"no data ({plan.trials:,} planned)", TRY_AGAIN
    if plan.minimum_detectable_effect >= 1:
        return f"{plan.trials:,} are too few to notice anything", "try again with a greater share in force"
    missing = []
    if count.trials < plan.trials:
        missing.append(f"{count.trials:,} of {plan.trials:,} planned")
    if count.unknown:
        missing.append(f"{count.unknown:,} of unknown outcome")
    why = ", ".join(missing) or "by chance few"
    return f"too little data ({why}): {interval} reaches beyond {plan.acceptance_region}", TRY_AGAIN
