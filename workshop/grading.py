"""Grades an attempt by what the mesh does, and recognises the mistake where it is a frequent one.

The judges are those of the proofs (`loadgen.statistics`). A mistake has been made if all that it makes the
mesh do is what was observed, by the same judges.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loadgen.measurement.measurement import Measurement
from loadgen.meshstate.security import seconds_until_applied
from loadgen.proofs.common.proof import ProofContext, Result
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design
from loadgen.statistics.judge import Cause, Check, Count, Verdict, inconclusive, judge_between
from workshop.configuration import Configuration
from workshop.exercise import Exercise, Expected, Mistake
from workshop.facets import COUNTED, holds, summary
from workshop.observing import Seen, observe


@dataclass(frozen=True, slots=True)
class Grade:
    """The verdict with its checks, and the mistake that was recognised if there is one."""

    result: Result
    mistake: Mistake | None = None
    misplaced: tuple[str, ...] = ()
    """What is in the namespace default, and probably should not be: see the function of this name."""


def grade(exercise: Exercise, context: ProofContext) -> Grade:
    """Send the requests of an exercise and judge what the mesh did; after Ctrl-C there is no verdict."""
    started = time.monotonic()
    elsewhere: tuple[str, ...] = ()
    mistake, interrupted = None, False
    try:
        before = Configuration.read(context.api)
        _wait(context, before)
        seen = observe(exercise.groups, context)
        if Configuration.read(context.api) == before:
            checks = tuple(judged(exercise, seen))
            mistake = next(recognised(exercise, seen, before), None) if _failed(checks) else None
            elsewhere = tuple(misplaced(exercise, before, mistake))
        else:
            reason = "the configuration was changed while the requests were sent"
            checks = (inconclusive("configured", exercise.title, Cause.CONFIG_CHANGED, reason),)
    except KeyboardInterrupt:
        checks = (inconclusive("completed", exercise.title, Cause.INTERRUPTED, "ended by Ctrl-C"),)
        interrupted = True
    result = Result(
        exercise.name,
        exercise.title,
        context.gateway,
        checks,
        measurements=tuple(context.measurements),
        seconds=time.monotonic() - started,
        interrupted=interrupted,
    )
    return Grade(result, mistake, elsewhere)


def judged(exercise: Exercise, seen: Mapping[str, Seen]) -> Iterator[Check]:
    """One check for each expected share of each group."""
    for group in exercise.groups:
        for expected in group.expected:
            yield check(group.name, expected, seen[group.name])


def recognised(
    exercise: Exercise, seen: Mapping[str, Seen], configuration: Configuration
) -> Iterator[Mistake]:
    """The mistakes that explain all that was observed of them, in the order of the exercise."""
    for mistake in exercise.mistakes:
        checks = (check(who, item, seen[who]) for who, shares in mistake.seen.items() for item in shares)
        if all(one.verdict is Verdict.PASS for one in checks) and all(
            map(configuration.has, mistake.objects)
        ):
            yield mistake


def misplaced(exercise: Exercise, configuration: Configuration, mistake: Mistake | None) -> Iterator[str]:
    """Objects like those of the solution in `default`; none if the hint of the mistake says so already."""
    if mistake is None or not any(one.elsewhere for one in mistake.objects):
        kinds = set(re.findall(r"^kind: (\w+)$", exercise.solution, flags=re.MULTILINE))
        yield from (f"{kind} {name}" for kind, name in sorted(configuration.elsewhere) if kind in kinds)


def check(who: str, expected: Expected, seen: Seen) -> Check:
    """Whether the share of a group's requests is the expected one, with what was observed instead."""
    measurement = seen.measurement
    plans = (design(expected.low, measurement.planned), design(expected.high, measurement.planned))
    low, high = percent(expected.low), percent(expected.high)
    wanted = low if low == high else f"{low.removesuffix(' %')} to {high}"
    return judge_between(
        f"{who}: {expected.facet} {expected.value}",
        f"{wanted} of {who}",
        plans,
        _count(expected, seen),
        note=f"observed {_observed(expected.facet, seen)}",
    )


def _count(expected: Expected, seen: Seen) -> Count:
    measurement = seen.measurement
    if expected.facet.startswith(COUNTED):
        # More than the requests would be no share: all of them are as many as there can be.
        return Count(min(seen.counted[expected.facet], len(measurement)), len(measurement))
    fitting = measurement.count(lambda one: holds(one, expected.facet, expected.value))
    return Count(fitting, len(measurement), measurement.abandoned)


def _observed(facet: str, seen: Seen) -> str:
    measurement: Measurement = seen.measurement
    if facet.startswith(COUNTED):
        return f"{seen.counted[facet]:,} for {len(measurement):,} requests"
    return summary(measurement.observations, facet)


def _failed(checks: tuple[Check, ...]) -> bool:
    return any(one.verdict is Verdict.FAIL for one in checks)


def _wait(context: ProofContext, configuration: Configuration) -> None:
    """Wait until no connection is older than the policies: on a cluster they would not follow them."""
    seconds = seconds_until_applied(configuration.listeners_changed)
    if seconds:
        context.listener.note(f"waiting {seconds:.0f} s, until no connection is older than the configuration")
        time.sleep(seconds)
