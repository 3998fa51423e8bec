"""Endings predicted from hash, fault rates and policy, and made-up measurements judged by them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadgen.measurement.measurement import Measurement
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.meshstate.attempts import (
    Ending,
    Fate,
    Outcome,
    Policy,
    endings_with_probability,
    fate,
    predicted_endings,
    share_bounds,
)
from loadgen.meshstate.pods import sample_sum
from loadgen.meshstate.resources import seconds
from loadgen.proofs import retry, retry_naive, timeout
from loadgen.proofs.common.attempts import Attempts, Observed, attempts_check, observed_quality
from loadgen.proofs.common.prediction import Prediction
from loadgen.statistics.judge import Cause, Check, Verdict
from loadgen.tests.predicted_answers import (
    IDS,
    RATES,
    RETRY,
    as_configured,
    observed,
    overlay,
    prediction_of,
    verdicts,
)
from loadgen.tests.stand_in_mesh import base, canary, logic_route, resources


class TestFate:
    def test_it_is_what_the_services_decide(self):
        """The same hash, though neither imports the other."""
        from services.logic.faults import Faults

        faults = Faults(33, 32, 3, "sentimesh")

        for request_id in IDS[:200]:
            for number in (1, 2, 3):
                assert fate(RATES, request_id, number).value == faults.outcome(request_id, number).value

    def test_another_seed_strikes_others(self):
        """The rates stay the same."""
        other = replace(RATES, seed="other")

        assert [fate(RATES, one, 1) for one in IDS] != [fate(other, one, 1) for one in IDS]


class TestPrediction:
    @pytest.mark.parametrize("number", [1, 2, 3, 4])
    def test_the_first_try_that_does_not_fail_answers(self, number: int):
        """As long as there are attempts."""
        request_ids = [one for one in IDS if _first_answered(one) == number]

        assert {predicted_endings(RETRY, RATES, one) for one in request_ids} == {
            frozenset({Ending(Outcome.ANSWERED, number)})
        }

    def test_the_chances_of_all_courses_add_up_to_one(self):
        """Nothing is left out or counted twice."""
        assert sum(probability for probability, _ in endings_with_probability(RETRY, RATES)) == pytest.approx(
            1
        )

    @pytest.mark.parametrize(("attempts", "share"), [(1, 0.35), (2, 1 - 0.65**2), (4, 1 - 0.65**4)])
    def test_success_follows_from_odds_and_tries(self, attempts: int, share: float):
        """1 - 0.65ⁿ: pauses do not matter as long as the deadline leaves room for them."""
        policy = replace(RETRY, attempts=attempts)

        bounds = share_bounds(policy, RATES, lambda end: end.outcome is Outcome.ANSWERED)

        assert bounds == pytest.approx((share, share))

    def test_a_deadline_among_the_pauses_leaves_the_end_open(self):
        """Three hangs of half a second and pauses may or may not fit into 1.6 s: success is a range."""
        least, most = share_bounds(
            replace(RETRY, timeout_seconds=1.6), RATES, lambda end: end.outcome is Outcome.ANSWERED
        )

        assert least < most < 1 - 0.65**4 + 1e-9

    def test_without_conditions_the_first_try_decides(self):
        """A hang ends at the deadline of its attempt, and so does the request."""
        naive = replace(RETRY, retries_errors=False, retries_timeouts=False)
        ends = {Fate.ANSWERED: Outcome.ANSWERED, Fate.ERROR: Outcome.FAILED, Fate.HANG: Outcome.TIMED_OUT}

        for one in IDS:
            assert predicted_endings(naive, RATES, one) == {Ending(ends[fate(RATES, one, 1)], 1)}

    def test_too_many_tries_are_not_followed(self):
        """Three fates for each attempt: reported instead of computed for hours."""
        with pytest.raises(UnsupportedConfig, match="more than loadgen computes with"):
            list(endings_with_probability(replace(RETRY, attempts=12), RATES))


def _first_answered(request_id: str) -> int | None:
    return next((n for n in (1, 2, 3, 4) if fate(RATES, request_id, n) is Fate.ANSWERED), None)


class TestPlans:
    def test_the_overlays_say_what_their_pages_say(self):
        """Four attempts; one that is not retried; a deadline."""
        assert prediction_of("retry").policy == RETRY
        assert prediction_of("retry-naive").policy == replace(
            RETRY, retries_errors=False, retries_timeouts=False
        )
        assert prediction_of("timeout").policy == Policy(timeout_seconds=0.75)

    @pytest.mark.parametrize("conditions", ["5xx", "500", "connect-failure,5xx"])
    def test_conditions_that_cover_a_500_make_retries(self, conditions: str):
        """Whatever other conditions there are."""
        objects = overlay("retry")
        logic_route(objects)["retries"]["retryOn"] = conditions

        assert retry.read(resources(objects)).policy.retries_errors

    @pytest.mark.parametrize("proof", [retry, retry_naive, timeout])
    def test_without_the_policy_there_is_nothing_to_prove(self, proof):
        """Neither on the base nor on a plain canary; the remedy is in the message."""
        for objects in (base(), canary()):
            with pytest.raises(NotConfigured, match="apply the overlay, unedited"):
                proof.read(resources(objects))

    def test_naive_and_helpful_retries_exclude_each_other(self):
        """Each proof refuses the other's overlay."""
        with pytest.raises(NotConfigured, match="not naive"):
            retry_naive.read(resources(overlay("retry")))
        with pytest.raises(NotConfigured, match="does not retry"):
            retry.read(resources(overlay("retry-naive")))

    def test_what_else_plays_a_part_is_not_computed(self):
        """A fault beside retries changes which requests fail."""
        objects = overlay("retry")
        logic_route(objects)["fault"] = {"abort": {"httpStatus": 503, "percentage": {"value": 10}}}

        with pytest.raises(UnsupportedConfig, match="a fault"):
            retry.read(resources(objects))


def judge_retry(observed: Observed, name: str = "retry") -> dict[str, Check]:
    proof = {"retry": retry, "retry-naive": retry_naive}[name].PROOF
    return {check.name: check for check in proof.judge(prediction_of(name), observed)}


def of_v2(prediction: Prediction, ending: Ending) -> int:
    """The number of the first request to v2 that ends so."""
    return next(n for n in range(0, 900, 5) if prediction.endings("v2", IDS[n]) == {ending})


class TestVerdicts:
    @pytest.mark.parametrize("name", ["retry", "retry-naive"])
    def test_answers_as_predicted_pass(self, name: str):
        """Every check."""
        checks = judge_retry(as_configured(prediction_of(name)), name)

        assert set(verdicts(checks).values()) == {Verdict.PASS}

    def test_one_answer_of_another_attempt_than_predicted_fails(self):
        """Though the shares are all right."""
        prediction = prediction_of("retry")
        observed_ = as_configured(prediction, more=1)
        number = of_v2(prediction, Ending(Outcome.ANSWERED, 1))
        observed_.measurement.observations[number] = observed(number, "v2", Ending(Outcome.ANSWERED, 2))

        judged = verdicts(judge_retry(observed_))

        assert judged.pop("other than predicted") is Verdict.FAIL
        assert set(judged.values()) == {Verdict.PASS}

    def test_one_attempt_too_many_fails(self):
        """Five where four are allowed, and some that only the pods saw."""
        observed_ = as_configured(prediction_of("retry"), more=40)
        observed_.measurement.observations[0] = observed(0, "v2", Ending(Outcome.ANSWERED, 5))

        judged = verdicts(judge_retry(observed_))

        assert judged["more than 4 attempts"] is Verdict.FAIL
        assert judged["attempts at v2"] is Verdict.FAIL

    def test_answers_that_are_not_retried_fail(self):
        """What a mesh without retries answers under a policy that has them."""
        judged = verdicts(judge_retry(as_configured(prediction_of("retry-naive"))))

        assert judged["successes"] is Verdict.FAIL
        assert judged["other than predicted"] is Verdict.FAIL

    def test_an_answer_later_than_a_deadline_is_of_unknown_outcome(self):
        """The deadline may have ended an attempt that was only slow."""
        prediction = prediction_of("retry")
        observed_ = as_configured(prediction, more=1)
        number = of_v2(prediction, Ending(Outcome.ANSWERED, 1))
        late = observed(number, "v2", Ending(Outcome.ANSWERED, 2))
        observed_.measurement.observations[number] = replace(late, latency_seconds=0.6)

        checks = judge_retry(observed_)

        assert checks["other than predicted"].cause is Cause.UNKNOWN_OUTCOMES
        assert checks["attempts at v2"].cause is Cause.UNKNOWN_OUTCOMES

    def test_slow_answers_of_sound_versions_leave_the_shares_open(self):
        """More than 1 in 100 took longer than half of the deadline: others may have exceeded it."""
        observed_ = as_configured(prediction_of("retry"))
        for number in range(1, 900, 5):
            retried = observed(number, "v1", Ending(Outcome.ANSWERED, 2))
            observed_.measurement.observations[number] = replace(retried, latency_seconds=0.6)

        checks = judge_retry(observed_)

        assert checks["successes by a retry"].cause is Cause.BUSY
        assert checks["successes"].cause is Cause.BUSY
        assert Verdict.FAIL not in verdicts(checks).values()

    def test_slow_answers_that_are_all_predicted_leave_the_verdicts(self):
        """No deadline was exceeded that the prediction does not have: slowness has moved nothing."""
        observed_ = as_configured(prediction_of("retry"))
        measurement = observed_.measurement
        measurement.observations = [
            replace(one, latency_seconds=0.4) if one.status == 200 else one
            for one in measurement.observations
        ]
        prediction = prediction_of("retry")

        assert observed_quality(prediction, observed_).busy
        assert set(verdicts(judge_retry(observed_)).values()) == {Verdict.PASS}

    def test_missing_retries_fail_on_a_busy_machine_too(self):
        """Slowness makes more attempts than predicted, not fewer: this mesh does not retry."""
        observed_ = as_configured(prediction_of("retry-naive"))
        measurement = observed_.measurement
        measurement.observations = [
            replace(one, latency_seconds=0.6 if one.version_of("logic") == "v2" else 0.4)
            for one in measurement.observations
        ]

        assert observed_quality(prediction_of("retry"), observed_).busy
        assert judge_retry(observed_)["successes"].verdict is Verdict.FAIL

    def test_timeouts_though_the_machine_is_quick_fail(self):
        """Sound answers are fast, and yet those of the faulty version never come."""
        observed_ = as_configured(prediction_of("retry"))
        for number in range(0, 900, 5):
            timed_out = observed(number, "v2", Ending(Outcome.TIMED_OUT, 1))
            observed_.measurement.observations[number] = replace(timed_out, latency_seconds=4.1)

        assert judge_retry(observed_)["successes"].verdict is Verdict.FAIL

    def test_no_data_proves_nothing(self):
        """Neither right nor wrong."""
        judged = verdicts(judge_retry(Observed(Measurement(planned=900), Attempts(0))))

        assert set(judged.values()) == {Verdict.INCONCLUSIVE}


class TestForeignRequests:
    """Others send while a proof of retries runs: pods count those requests, too."""

    def check(self, attempts: Attempts) -> Check:
        prediction = prediction_of("retry")
        return attempts_check(prediction, Observed(as_configured(prediction).measurement, attempts))

    def right(self) -> int:
        return as_configured(prediction_of("retry")).attempts.counted

    @pytest.mark.parametrize("surplus", [0, 1, 28])
    def test_requests_of_others_leave_the_count_open(self, surplus: int):
        """By the logs the own requests had as many attempts as the answers imply."""
        right = self.right()

        check = self.check(Attempts(right + surplus, foreign=80, own=right))

        assert (check.verdict, check.cause) == (Verdict.INCONCLUSIVE, Cause.FOREIGN_TRAFFIC)
        assert check.reason == (
            "others sent 80 requests meanwhile; run it again when nothing else sends requests"
        )

    def test_too_many_attempts_of_own_requests_fail_in_spite_of_others(self):
        """The logs have more attempts with the proof's own request ids than its answers imply."""
        right = self.right()

        assert self.check(Attempts(right + 20, foreign=80, own=right + 20)).verdict is Verdict.FAIL

    def test_more_attempts_than_others_can_have_caused_fail(self):
        """A request of others has at most four attempts."""
        right = self.right()

        assert self.check(Attempts(right + 41, foreign=10, own=right)).verdict is Verdict.FAIL

    def test_too_few_attempts_fail_in_spite_of_others(self):
        """Others only add to them."""
        right = self.right()

        assert self.check(Attempts(right - 1, foreign=80, own=right - 1)).verdict is Verdict.FAIL

    @pytest.mark.parametrize("own", [None, 0])
    @pytest.mark.parametrize(("surplus", "verdict"), [(10, Verdict.INCONCLUSIVE), (11, Verdict.FAIL)])
    def test_without_logs_only_first_attempts_are_explained(
        self, own: int | None, surplus: int, verdict: Verdict
    ):
        """It is not known whose retries the others are."""
        assert self.check(Attempts(self.right() + surplus, foreign=10, own=own)).verdict is verdict

    def test_without_others_a_surplus_is_the_meshs(self):
        """webapp has answered as many requests as were sent."""
        assert self.check(Attempts(self.right() + 1)).verdict is Verdict.FAIL


class TestReading:
    @pytest.mark.parametrize(("text", "value"), [("500ms", 0.5), ("2s", 2), ("1m30s", 90), ("1.5s", 1.5)])
    def test_durations(self, text: str, value: float):
        """As Istio writes them."""
        assert seconds(text) == pytest.approx(value)

    @pytest.mark.parametrize("text", ["", "5", "soon", "5 s"])
    def test_what_is_no_duration_is_not_supported(self, text: str):
        """It is quoted."""
        with pytest.raises(UnsupportedConfig, match="is not a duration"):
            seconds(text)

    def test_samples_are_summed_by_name_and_labels(self):
        """Comments and other metrics are left out."""
        text = '# HELP a_total x\na_total{outcome="hang"} 2.0\na_total{outcome="error"} 3.0\nb 7.0\n'

        assert (sample_sum(text, "a_total"), sample_sum(text, "a_total", outcome="hang")) == (5, 2)
        assert (sample_sum(text, "b"), sample_sum(text, "c")) == (7, 0)

    def test_a_label_is_not_mistaken_for_the_end_of_another(self):
        """`status` is not `upstream_status`."""
        text = 'a_total{upstream_status="200",status="502"} 2.0\na_total{status="200"} 3.0\n'

        assert sample_sum(text, "a_total", status="200") == 3
