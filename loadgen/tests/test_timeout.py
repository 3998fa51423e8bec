"""The proof of a deadline, on made-up measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Observation
from loadgen.meshstate.attempts import Ending, Outcome
from loadgen.proofs import timeout
from loadgen.proofs.common.attempts import Observed, attempts_check
from loadgen.statistics.judge import Cause, Check, Verdict
from loadgen.tests.predicted_answers import IDS, as_configured, observed, prediction_of, verdicts

CUT = Ending(Outcome.TIMED_OUT, 1)


def observed_at(number: int, seconds: float) -> Observation:
    """A timeout after this time."""
    return replace(observed(number, "v1", CUT), latency_seconds=seconds)


def observed_failure(one: Observation) -> Observation:
    """The failure of v2 after its hang, instead of the timeout."""
    return replace(observed(one.number, "v2", Ending(Outcome.FAILED, 1)), latency_seconds=2.0)


class TestDeadline:
    def observed(self, caller: float | None = 0.1, hanging: float | None = 2.2) -> timeout.Observed:
        measurement = as_configured(prediction_of("timeout")).measurement
        measurement.observations = [
            replace(one, latency_seconds=0.76) if one.status == 504 else one
            for one in measurement.observations
        ]
        return timeout.Observed(measurement, caller, hanging)

    def judge(self, observed: timeout.Observed) -> dict[str, Check]:
        return {check.name: check for check in timeout.judge(prediction_of("timeout"), observed)}

    def test_504s_at_the_deadline_pass(self):
        """All checks."""
        assert set(verdicts(self.judge(self.observed())).values()) == {Verdict.PASS}

    def test_one_that_is_early_fails(self):
        """A single one."""
        observed = self.observed()
        observations = observed.measurement.observations
        number = next(i for i, one in enumerate(observations) if one.status == 504)
        observations[number] = replace(observations[number], latency_seconds=0.4)

        assert self.judge(observed)["timed out before 0.75 s - 0.05 s"].verdict is Verdict.FAIL

    @pytest.mark.parametrize("every", [1, 20, 60])
    def test_a_deadline_that_is_not_kept_fails(self, every: int):
        """Late for all that exceed it, or for a few: the machine was quick."""
        observed = self.observed()
        observations = observed.measurement.observations
        late = [i for i, one in enumerate(observations) if one.status == 504][::every]
        for number in late:
            observations[number] = replace(observations[number], latency_seconds=1.8)

        assert self.judge(observed)["later than 0.75 s + 1 s"].verdict is Verdict.FAIL

    def slow(self, numbers: Sequence[int]) -> timeout.Observed:
        """A busy machine, on which these requests to the sound version time out."""
        observed = self.observed()
        observations = observed.measurement.observations
        for number in numbers:
            observations[number] = observed_at(number, 0.76)
        others = [number for number, one in enumerate(observations) if one.status == 200]
        for number in others[:60]:
            observations[number] = replace(observations[number], latency_seconds=0.5)
        assert timeout.quality(prediction_of("timeout"), observed).busy
        return observed

    def test_timeouts_of_the_sound_version_are_open_on_a_slow_machine(self):
        """A timeout does not name its version; where sound answers were slow, it may be of a sound one."""
        to_v1 = [number for number in range(900) if number % 5]
        observed = self.slow(to_v1[:150])
        quick = replace(observed, measurement=replace(observed.measurement))
        quick.measurement.observations = [
            replace(one, latency_seconds=0.01) if one.status == 200 else one
            for one in observed.measurement.observations
        ]

        assert self.judge(observed)["timed out with 504"].cause is Cause.BUSY
        assert self.judge(quick)["timed out with 504"].verdict is Verdict.FAIL

    def test_without_unexpected_timeouts_slowness_has_added_few(self):
        """It strikes whatever the request id predicts: the shares are judged, on a busy machine, too."""
        checks = self.judge(self.slow([]))

        assert set(verdicts(checks).values()) == {Verdict.PASS}

    def test_many_timeouts_that_all_look_predicted_are_not_slowness(self):
        """A mesh that sends these requests to v2 instead of v1."""
        prediction = prediction_of("timeout")
        predicted = [n for n in range(900) if n % 5 and prediction.endings("v2", IDS[n]) == {CUT}]

        assert self.judge(self.slow(predicted[:100]))["timed out with 504"].verdict is Verdict.FAIL

    def test_attempts_that_pods_have_not_counted_are_open_on_a_slow_machine(self):
        """A few timeouts that look predicted may be of the sound version, which is no attempt at v2."""
        prediction = prediction_of("timeout")
        predicted = [n for n in range(900) if n % 5 and prediction.endings("v2", IDS[n]) == {CUT}]
        attempts = as_configured(prediction).attempts

        check = attempts_check(prediction, Observed(self.slow(predicted[:5]).measurement, attempts))

        assert check.cause is Cause.BUSY

    @pytest.mark.parametrize(
        ("caller", "hanging", "check"),
        [(2.2, 2.2, "caller released"), (None, 2.2, "caller released"), (0.1, None, "hangs end")],
    )
    def test_what_stays_in_flight_fails(self, caller: float | None, hanging: float | None, check: str):
        """A caller that is held, a pod that is never idle."""
        assert self.judge(self.observed(caller, hanging))[check].verdict is Verdict.FAIL

    def test_a_machine_that_is_late_for_everyone_leaves_times_open(self):
        """Answers of the sound version come as late as those that exceed the deadline."""
        observed = self.observed(1.3, None)
        measurement = observed.measurement
        measurement.observations = [replace(one, latency_seconds=2.2) for one in measurement.observations]

        checks = self.judge(observed)

        assert Verdict.FAIL not in verdicts(checks).values()
        assert checks["caller released"].cause is checks["hangs end"].cause is Cause.BUSY
        assert checks["later than 0.75 s + 1 s"].cause is Cause.BUSY

    def test_others_who_keep_pods_busy_leave_open_when_they_are_idle(self):
        """The answers are judged."""
        checks = self.judge(replace(self.observed(None, None), foreign_requests=40))

        causes = {name: check.cause for name, check in checks.items() if check.verdict is not Verdict.PASS}
        assert causes == dict.fromkeys(["caller released", "hangs end"], Cause.FOREIGN_TRAFFIC)

    def test_a_request_without_answer_is_late_if_it_took_that_long(self):
        """Losing it does not keep the deadline."""
        observed = self.observed()
        observed.measurement.observations[1] = Observation(1, None, (), 18.0, Loss.TIMEOUT)

        assert self.judge(observed)["later than 0.75 s + 1 s"].verdict is Verdict.FAIL

    def test_an_answer_a_margin_late_needs_a_stall_of_that_length(self):
        """Slow answers of sound versions below half of the margin do not explain it."""
        observed = self.observed()
        measurement = observed.measurement
        measurement.observations = [
            replace(one, latency_seconds=1.8 if one.status == 504 else 0.45)
            for one in measurement.observations
        ]

        assert timeout.quality(prediction_of("timeout"), observed).busy
        assert self.judge(observed)["later than 0.75 s + 1 s"].verdict is Verdict.FAIL

    def test_hangs_that_are_answered_fail_on_a_busy_machine_too(self):
        """A deadline ends a request however slow the machine is: this mesh has none."""
        observed = self.observed()
        measurement = observed.measurement
        measurement.observations = [
            observed_failure(one) if one.status == 504 else replace(one, latency_seconds=0.5)
            for one in measurement.observations
        ]

        assert timeout.quality(prediction_of("timeout"), observed).busy
        assert self.judge(observed)["timed out with 504"].verdict is Verdict.FAIL
