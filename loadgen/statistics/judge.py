"""Verdicts: what an observed count says about an expected share. Knows no HTTP and prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from loadgen.statistics.binomial import Interval, clopper_pearson, percent
from loadgen.statistics.design import CONFIDENCE, Design, design


class Verdict(StrEnum):
    """How a check, a scenario or a whole report ended."""

    PASS = "PASS"  # noqa: S105 (a verdict, not a password)
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Cause(StrEnum):
    """Why a check is INCONCLUSIVE; docs/verdicts.md has a section for each."""

    TOO_FEW = "too-few"
    UNKNOWN_OUTCOMES = "unknown-outcomes"
    BUSY = "busy"
    FOREIGN_TRAFFIC = "foreign-traffic"
    CONFIG_CHANGED = "config-changed"
    UNSUPPORTED_CONFIG = "unsupported-config"
    UNREACHABLE = "unreachable"
    INTERRUPTED = "interrupted"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self]


_REMEDIES = {
    Cause.TOO_FEW: "run it again when the application answers every request",
    Cause.UNKNOWN_OUTCOMES: "run it again when the machine is less busy",
    Cause.BUSY: "run it again when the machine is less busy",
    Cause.FOREIGN_TRAFFIC: "run it again when nothing else sends requests",
    Cause.CONFIG_CHANGED: "run it again and change nothing meanwhile",
    Cause.UNSUPPORTED_CONFIG: "apply the overlay of the scenario, unedited",
    Cause.UNREACHABLE: "give the API access to it and run it again",
    Cause.INTERRUPTED: "run it again to the end",
}


@dataclass(frozen=True, slots=True)
class Count:
    """Successes among trials; the outcome of `unknown` of the trials is not known."""

    successes: int
    trials: int
    unknown: int = 0

    @property
    def share(self) -> float | None:
        """The successes among the known trials, in 0..1; None if there are none."""
        known = self.trials - self.unknown
        return self.successes / known if known else None

    def without(self, *, successes: int = 0, failures: int = 0) -> Count:
        """The same count with so many of the successes and failures unknown."""
        return Count(self.successes - successes, self.trials, self.unknown + successes + failures)


@dataclass(frozen=True, slots=True)
class Measured:
    """A count, the design of its check, and the confidence interval of the true share.

    `allowed` is the range of expected shares if it is more than the one share of the design.
    """

    count: Count
    design: Design
    interval: Interval
    allowed: Interval | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One property and the verdict on it; `measured` is None where nothing was counted.

    A check has a `cause` if and only if it is INCONCLUSIVE.
    """

    name: str
    verdict: Verdict
    expected: str
    reason: str = ""
    measured: Measured | None = None
    cause: Cause | None = None

    def __post_init__(self) -> None:
        if (self.verdict is Verdict.INCONCLUSIVE) != (self.cause is not None):
            raise ValueError(f"{self.name}: INCONCLUSIVE has a cause, and nothing else has")


def judge(name: str, expected: str, plan: Design, count: Count, *, note: str = "") -> Check:
    """Judge a share by the rule of `loadgen.statistics.design`; `note` explains any verdict but PASS.

    Unknown outcomes widen the interval so that it holds whatever they were. They can turn a PASS into
    INCONCLUSIVE, but never a deviation into a PASS.
    """
    interval = clopper_pearson(count.successes, count.trials, CONFIDENCE, unknown=count.unknown)
    measured = Measured(count, plan, interval)
    if plan.expected not in interval:
        reason = f"expected {percent(plan.expected)}, but the true share is in {interval}"
        return Check(name, Verdict.FAIL, expected, _joined(reason, note), measured)
    if (
        count.share is not None
        and plan.minimum_detectable_effect < 1
        and interval.within(plan.acceptance_region)
    ):
        return Check(name, Verdict.PASS, expected, "", measured)
    cause, reason, remedy = _too_little_data(plan, count, interval)
    return Check(name, Verdict.INCONCLUSIVE, expected, _joined(reason, note, remedy), measured, cause)


def judge_between(
    name: str, expected: str, plans: tuple[Design, Design], count: Count, *, note: str = ""
) -> Check:
    """Judge a share that may be anything from the first plan's to the second's.

    The observed share is compared with the closest one in that range, so FAIL says that none of them fits.
    """
    low, high = plans
    if low.expected == high.expected:
        return judge(name, expected, low, count, note=note)
    observed = low.expected if count.share is None else count.share
    plan = design(min(max(observed, low.expected), high.expected), low.trials)
    check = judge(name, expected, plan, count, note=note)
    if check.measured is None:
        return check
    # The detectable effect is a distance from the range, so it is that of the ends.
    plan = replace(
        plan, minimum_detectable_effect=max(low.minimum_detectable_effect, high.minimum_detectable_effect)
    )
    allowed = Interval(low.expected, high.expected)
    return replace(check, measured=replace(check.measured, design=plan, allowed=allowed))


def judge_time(judge_count: Callable[[Count], Check], count: Count, if_slow: Count, busy: str) -> Check:
    """Judge a count, some outcomes of which a slow machine may have caused.

    `if_slow` is the count with those outcomes unknown, and `busy` says that the machine was slow; empty if it
    was not. Then only a verdict stands that is the same whatever those outcomes would have been.
    """
    check = judge_count(count)
    if not busy or judge_count(if_slow).verdict is not Verdict.INCONCLUSIVE:
        return check
    return as_inconclusive(check, Cause.BUSY, busy)


def passed(name: str, expected: str) -> Check:
    """A check that holds where nothing was counted."""
    return Check(name, Verdict.PASS, expected)


def failed(name: str, expected: str, reason: str) -> Check:
    """A check that fails where nothing was counted."""
    return Check(name, Verdict.FAIL, expected, reason)


def inconclusive(name: str, expected: str, cause: Cause, reason: str) -> Check:
    """A check that cannot be judged; the remedy for its cause follows the reason."""
    return Check(name, Verdict.INCONCLUSIVE, expected, f"{reason}; {cause.remedy}", cause=cause)


def as_inconclusive(check: Check, cause: Cause, reason: str) -> Check:
    """The same check without its verdict, because of `reason`."""
    return replace(
        check,
        verdict=Verdict.INCONCLUSIVE,
        reason=_joined(check.reason, reason, cause.remedy),
        cause=cause,
    )


def unless(check: Check, cause: Cause, reason: str) -> Check:
    """The check, or INCONCLUSIVE instead of FAIL if there is such a reason; empty if there is none."""
    if not reason or check.verdict is not Verdict.FAIL:
        return check
    return as_inconclusive(check, cause, reason)


def exact_check(name: str, expected: str, observed: str | None) -> Check:
    """Compare what is not left to chance; `observed` is None if there is nothing to compare."""
    if observed is None:
        return inconclusive(name, expected, Cause.TOO_FEW, "no data")
    if observed == expected:
        return Check(name, Verdict.PASS, expected)
    return Check(name, Verdict.FAIL, expected, f"expected {expected}, observed {observed or 'nothing'}")


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several: FAIL wins over INCONCLUSIVE, and no verdict at all is INCONCLUSIVE."""
    distinct = set(verdicts)
    if Verdict.FAIL in distinct:
        return Verdict.FAIL
    return Verdict.PASS if distinct == {Verdict.PASS} else Verdict.INCONCLUSIVE


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _too_little_data(plan: Design, count: Count, interval: Interval) -> tuple[Cause, str, str]:
    """The cause, what is missing, and what to do."""
    cause = Cause.UNKNOWN_OUTCOMES if count.unknown else Cause.TOO_FEW
    if not count.trials:
        return cause, f"no data ({plan.trials:,} planned)", cause.remedy
    if plan.minimum_detectable_effect >= 1:
        reason = f"{plan.trials:,} trials are too few to detect any deviation"
        return Cause.TOO_FEW, reason, "configure a larger share"
    missing = []
    if count.trials < plan.trials:
        missing.append(f"{count.trials:,} of {plan.trials:,} planned")
    if count.unknown:
        missing.append(f"{count.unknown:,} of unknown outcome")
    why = ", ".join(missing) or "few by chance"
    return cause, f"too little data ({why}): {interval} exceeds {plan.acceptance_region}", cause.remedy
