"""Tries foretold from hash, odds and policy, and made-up tallies judged by them."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import FaultRates, NotConfigured, UnsupportedConfig
from loadgen.meshstate.attempts import (
    Ending,
    Fate,
    Outcome,
    Policy,
    chances,
    fate,
    least_and_most,
    predicted,
)
from loadgen.meshstate.durations import seconds
from loadgen.meshstate.metrics import sample_sum
from loadgen.proofs import retry, retry_naive, timeout
from loadgen.proofs.common.attempts import Attempts, attempts_check
from loadgen.proofs.common.prediction import Plan, read_plan
from loadgen.statistics.judge import BUSY, Check, Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, canary, logic_route, manifests, resources

OVERLAYS = "istio/overlays"
ODDS = FaultRates(33, 32, 3)
RETRY = Policy(4, True, True, 0.5, 4.0)
IDS = [str(uuid.UUID(int=number)) for number in range(900)]


def overlay(name: str) -> Objects:
    """The application with an overlay's one patch."""
    patches = {
        "retry": "virtualservice-logic-80-20-retries.yaml",
        "retry-naive": "virtualservice-logic-80-20-retries-of-nothing.yaml",
        "timeout": "virtualservice-logic-80-20-deadline.yaml",
    }
    return manifests(*BASE, f"{OVERLAYS}/{name}/{patches[name]}")


def plan_of(name: str) -> Plan:
    return read_plan(resources(overlay(name)), remedy="")


def answer(plan: Plan, number: int) -> Observation:
    """What a mesh that does as told answers: every fifth request goes to v2."""
    version = "v2" if number % 5 == 0 else "v1"
    (end,) = plan.ends(version, IDS[number])
    return observed(number, version, end)


def observed(number: int, version: str, end: Ending) -> Observation:
    status = {Outcome.ANSWERED: 200, Outcome.FAILED: 502, Outcome.TIMED_OUT: 504}[end.outcome]
    logic = [Hop("logic", version, f"logic-{version}-1", end.attempts)]
    hops = (Hop("webapp", "v1", "webapp-v1-1"), *(logic if end.outcome is not Outcome.TIMED_OUT else []))
    return Observation(number, status, hops, 0.01, request_id=IDS[number])


def as_told(plan: Plan, *, more: int = 0) -> tuple[Measurement, Attempts]:
    """A tally, and the tries that v2's pods counted for it, or some more."""
    measurement = Measurement([answer(plan, number) for number in range(len(IDS))])
    ends = (plan.ends("v2", IDS[number]) for number in range(0, len(IDS), 5))
    return measurement, Attempts(more + sum(max(end.attempts for end in each) for each in ends))


def verdicts(checks: list) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in checks}


class TestFate:
    def test_it_is_what_the_services_decide(self):
        """The same hash, though neither imports the other."""
        from services.logic.faults import Faults

        faults = Faults(33, 32, 3, "sentimesh")

        for request_id in IDS[:200]:
            for number in (1, 2, 3):
                assert fate(ODDS, request_id, number).value == faults.outcome(request_id, number).value

    def test_another_seed_strikes_others(self):
        """The odds stay."""
        other = replace(ODDS, seed="other")

        assert [fate(ODDS, one, 1) for one in IDS] != [fate(other, one, 1) for one in IDS]


class TestForetelling:
    @pytest.mark.parametrize("number", [1, 2, 3, 4])
    def test_the_first_try_that_does_not_fail_answers(self, number: int):
        """As long as there are tries."""
        wanted = [one for one in IDS if _first_answered(one) == number]

        assert {predicted(RETRY, ODDS, one) for one in wanted} == {
            frozenset({Ending(Outcome.ANSWERED, number)})
        }

    def test_the_chances_of_all_courses_add_up_to_one(self):
        """Nothing is left out or counted twice."""
        assert sum(chance for chance, _ in chances(RETRY, ODDS)) == pytest.approx(1)

    @pytest.mark.parametrize(("attempts", "share"), [(1, 0.35), (2, 1 - 0.65**2), (4, 1 - 0.65**4)])
    def test_success_follows_from_odds_and_tries(self, attempts: int, share: float):
        """1 - 0.65ⁿ: pauses do not matter as long as the deadline leaves room for them."""
        policy = replace(RETRY, attempts=attempts)

        found = least_and_most(policy, ODDS, lambda end: end.outcome is Outcome.ANSWERED)

        assert found == pytest.approx((share, share))

    def test_a_deadline_among_the_pauses_leaves_the_end_open(self):
        """Three hangs of half a second and pauses may or may not fit into 1.6 s: success is a range."""
        least, most = least_and_most(
            replace(RETRY, whole_seconds=1.6), ODDS, lambda end: end.outcome is Outcome.ANSWERED
        )

        assert least < most < 1 - 0.65**4 + 1e-9

    def test_without_conditions_the_first_try_decides(self):
        """A hang is cut by the try's own deadline, and that is the end."""
        naive = replace(RETRY, repeats_errors=False, repeats_cuts=False)
        ends = {Fate.ANSWERED: Outcome.ANSWERED, Fate.ERROR: Outcome.FAILED, Fate.HANG: Outcome.TIMED_OUT}

        for one in IDS:
            assert predicted(naive, ODDS, one) == {Ending(ends[fate(ODDS, one, 1)], 1)}

    def test_too_many_tries_are_not_followed(self):
        """Three courses for each try: that is said instead of computed for hours."""
        with pytest.raises(UnsupportedConfig, match="more than loadgen follows"):
            list(chances(replace(RETRY, attempts=12), ODDS))


def _first_answered(request_id: str) -> int | None:
    return next((n for n in (1, 2, 3, 4) if fate(ODDS, request_id, n) is Fate.ANSWERED), None)


class TestPlans:
    def test_the_overlays_say_what_their_pages_say(self):
        """Four tries; one that is not repeated; a deadline."""
        assert plan_of("retry").policy == RETRY
        assert plan_of("retry-naive").policy == replace(RETRY, repeats_errors=False, repeats_cuts=False)
        assert plan_of("timeout").policy == Policy(whole_seconds=0.75)

    @pytest.mark.parametrize("conditions", ["5xx", "500", "connect-failure,5xx"])
    def test_conditions_that_cover_a_500_make_retries(self, conditions: str):
        """Whatever else stands beside them."""
        objects = overlay("retry")
        logic_route(objects)["retries"]["retryOn"] = conditions

        assert retry.plan_in_force(resources(objects)).policy.repeats_errors

    @pytest.mark.parametrize("proof", [retry, retry_naive, timeout])
    def test_without_the_policy_there_is_nothing_to_prove(self, proof):
        """Neither on the base nor on a plain canary; the remedy is said."""
        for objects in (base(), canary()):
            with pytest.raises(NotConfigured, match="apply the overlay, unedited"):
                proof.plan_in_force(resources(objects))

    def test_naive_and_helpful_retries_exclude_each_other(self):
        """Each proof refuses the other's overlay."""
        with pytest.raises(NotConfigured, match="not naive"):
            retry_naive.plan_in_force(resources(overlay("retry")))
        with pytest.raises(NotConfigured, match="does not repeat"):
            retry.plan_in_force(resources(overlay("retry-naive")))

    def test_what_else_plays_a_part_is_not_computed(self):
        """A fault beside retries changes which requests fail."""
        objects = overlay("retry")
        logic_route(objects)["fault"] = {"abort": {"httpStatus": 503, "percentage": {"value": 10}}}

        with pytest.raises(UnsupportedConfig, match="a fault"):
            retry.plan_in_force(resources(objects))


class TestVerdicts:
    def test_answers_as_foretold_pass(self):
        """Every check of every one of the three proofs."""
        for proof, name in ((retry, "retry"), (retry_naive, "retry-naive")):
            plan = plan_of(name)
            measurement, attempts = as_told(plan)

            assert set(verdicts(proof.RETRYING.judged(plan, 900, measurement, attempts)).values()) == {
                Verdict.PASS
            }

    def test_one_answer_from_another_try_than_foretold_fails(self):
        """Though the shares are all right."""
        plan = plan_of("retry")
        measurement, attempts = as_told(plan, more=1)
        number = next(n for n in range(0, 900, 5) if plan.ends("v2", IDS[n]) == {Ending(Outcome.ANSWERED, 1)})
        measurement.observations[number] = observed(number, "v2", Ending(Outcome.ANSWERED, 2))

        found = verdicts(retry.RETRYING.judged(plan, 900, measurement, attempts))

        assert found.pop("other than foretold") is Verdict.FAIL
        assert set(found.values()) == {Verdict.PASS}

    def test_one_try_too_many_fails(self):
        """Five where four are allowed, and one that only the pods saw."""
        plan = plan_of("retry")
        measurement, attempts = as_told(plan, more=40)
        measurement.observations[0] = observed(0, "v2", Ending(Outcome.ANSWERED, 5))

        found = verdicts(retry.RETRYING.judged(plan, 900, measurement, attempts))

        assert found["more than 4 attempts"] is Verdict.FAIL
        assert found["tries at v2"] is Verdict.FAIL

    def test_answers_that_are_not_retried_fail(self):
        """What a mesh without retries answers under a policy that has them."""
        plan = plan_of("retry")
        measurement, attempts = as_told(plan_of("retry-naive"))

        found = verdicts(retry.RETRYING.judged(plan, 900, measurement, attempts))

        assert found["successes"] is Verdict.FAIL
        assert found["other than foretold"] is Verdict.FAIL

    def test_a_slow_machine_is_not_held_against_the_mesh(self):
        """A try that was slower than its deadline may have been cut: that is unknown, not wrong."""
        plan = plan_of("retry")
        measurement, attempts = as_told(plan, more=1)
        number = next(n for n in range(0, 900, 5) if plan.ends("v2", IDS[n]) == {Ending(Outcome.ANSWERED, 1)})
        late = observed(number, "v2", Ending(Outcome.ANSWERED, 2))
        measurement.observations[number] = replace(late, latency_seconds=0.6)

        found = verdicts(retry.RETRYING.judged(plan, 900, measurement, attempts))

        assert found["other than foretold"] is Verdict.INCONCLUSIVE
        assert found["tries at v2"] is Verdict.INCONCLUSIVE

    def test_a_busy_machine_that_cuts_sound_tries_leaves_the_shares_open(self):
        """Where answers of the sound version take long, too, those that a deadline has cut are unknown."""
        plan = plan_of("retry")
        measurement, attempts = as_told(plan)
        for number in range(1, 900, 5):
            cut = observed(number, "v1", Ending(Outcome.ANSWERED, 2))
            measurement.observations[number] = replace(cut, latency_seconds=0.6)

        found = verdicts(retry.RETRYING.judged(plan, 900, measurement, attempts))

        assert found["successes by a retry"] is Verdict.INCONCLUSIVE
        assert Verdict.FAIL not in found.values()

    def test_sound_tries_that_are_cut_as_if_they_were_the_faulty_versions_are_no_finding(self):
        """Whose an answer was that a deadline has cut is not said: on a slow machine it may be anybody's."""
        plan = plan_of("timeout")
        measurement, attempts = as_told(plan)
        cut = [n for n in range(900) if n % 5 and plan.ends("v2", IDS[n]) == {Ending(Outcome.TIMED_OUT, 1)}]
        for number in cut[:100]:
            measurement.observations[number] = observed(number, "v1", Ending(Outcome.TIMED_OUT, 1))
        slow = [n for n in range(900) if n % 5 and n not in cut][:60]
        fast = verdicts(timeout.judged(plan, 900, measurement, TestDeadline.FREE))
        for number in slow:
            measurement.observations[number] = replace(measurement.observations[number], latency_seconds=0.5)

        found = verdicts(timeout.judged(plan, 900, measurement, TestDeadline.FREE))

        assert fast["cut with 504"] is Verdict.FAIL
        assert found["cut with 504"] is Verdict.INCONCLUSIVE
        assert attempts_check(plan, measurement, attempts).verdict is Verdict.INCONCLUSIVE

    def test_tries_that_are_cut_though_the_machine_is_calm_are_held_against_the_mesh(self):
        """Sound answers are fast, and yet the faulty version's take long and never come."""
        plan = plan_of("retry")
        measurement, attempts = as_told(plan)
        for number in range(0, 900, 5):
            cut = observed(number, "v2", Ending(Outcome.TIMED_OUT, 1))
            measurement.observations[number] = replace(cut, latency_seconds=4.1)

        assert verdicts(retry.RETRYING.judged(plan, 900, measurement, attempts))["successes"] is Verdict.FAIL

    def test_no_data_proves_nothing(self):
        """Neither right nor wrong."""
        found = verdicts(retry.RETRYING.judged(plan_of("retry"), 900, Measurement(), Attempts(0)))

        assert set(found.values()) == {Verdict.INCONCLUSIVE}


class TestOthers:
    """Somebody else sends while a proof of retries runs: pods count those requests, too."""

    def check(self, attempts: Attempts) -> Check:
        plan = plan_of("retry")
        measurement, _ = as_told(plan)
        return attempts_check(plan, measurement, attempts)

    def right(self) -> int:
        return as_told(plan_of("retry"))[1].counted

    @pytest.mark.parametrize("surplus", [0, 1, 28])
    def test_what_others_sent_leaves_the_count_open(self, surplus: int):
        """By the logs the own requests were tried as often as the answers say: neither wrong nor proven."""
        right = self.right()

        found = self.check(Attempts(right + surplus, others=80, own=right))

        assert found.verdict is Verdict.INCONCLUSIVE
        assert found.reason == (
            "others sent requests meanwhile: 80 more than this proof; try again when nobody else sends"
        )

    def test_too_many_tries_of_the_own_requests_fail_whoever_else_sends(self):
        """The logs tell of more tries with the proof's own request ids than its answers do."""
        right = self.right()

        assert self.check(Attempts(right + 20, others=80, own=right + 20)).verdict is Verdict.FAIL

    def test_more_tries_than_others_can_have_caused_fail(self):
        """One request of others is tried four times at most."""
        right = self.right()

        assert self.check(Attempts(right + 41, others=10, own=right)).verdict is Verdict.FAIL

    def test_too_few_tries_fail_whoever_else_sends(self):
        """Others only add to them."""
        right = self.right()

        assert self.check(Attempts(right - 1, others=80, own=right - 1)).verdict is Verdict.FAIL

    @pytest.mark.parametrize("own", [None, 0])
    @pytest.mark.parametrize(("surplus", "verdict"), [(10, Verdict.INCONCLUSIVE), (11, Verdict.FAIL)])
    def test_without_logs_only_first_tries_are_explained(
        self, own: int | None, surplus: int, verdict: Verdict
    ):
        """Nothing tells whose retries the others are."""
        assert self.check(Attempts(self.right() + surplus, others=10, own=own)).verdict is verdict

    def test_without_others_a_surplus_is_the_meshs(self):
        """webapp has answered as many requests as were sent."""
        assert self.check(Attempts(self.right() + 1)).verdict is Verdict.FAIL


class TestDeadline:
    FREE = timeout.Release(0.1, 2.2)

    def measurement(self) -> Measurement:
        plan = plan_of("timeout")
        measurement, _ = as_told(plan)
        measurement.observations = [
            replace(one, latency_seconds=0.76) if one.status == 504 else one
            for one in measurement.observations
        ]
        return measurement

    def test_504s_at_the_deadline_pass(self):
        """All checks."""
        found = verdicts(timeout.judged(plan_of("timeout"), 900, self.measurement(), self.FREE))

        assert set(found.values()) == {Verdict.PASS}

    def test_one_that_is_early_fails(self):
        """A single one."""
        measurement = self.measurement()
        number = next(i for i, one in enumerate(measurement.observations) if one.status == 504)
        measurement.observations[number] = replace(measurement.observations[number], latency_seconds=0.4)

        found = verdicts(timeout.judged(plan_of("timeout"), 900, measurement, self.FREE))

        assert found["cut before 0.75 s - 0.05 s"] is Verdict.FAIL

    @pytest.mark.parametrize(("every", "verdict"), [(1, Verdict.FAIL), (20, Verdict.INCONCLUSIVE)])
    def test_a_deadline_that_is_not_kept_fails_and_a_stall_is_unknown(self, every: int, verdict: Verdict):
        """Late for all that run into it, or for a few."""
        measurement = self.measurement()
        cut = [i for i, one in enumerate(measurement.observations) if one.status == 504]
        for number in cut[::every]:
            measurement.observations[number] = replace(measurement.observations[number], latency_seconds=1.8)

        found = verdicts(timeout.judged(plan_of("timeout"), 900, measurement, self.FREE))

        assert found["later than 0.75 s + 1 s"] is verdict

    @pytest.mark.parametrize(
        ("release", "check"),
        [
            (timeout.Release(2.2, 2.2), "the caller is free"),
            (timeout.Release(None, 2.2), "the caller is free"),
            (timeout.Release(0.1, None), "the hang ends"),
        ],
    )
    def test_what_hangs_on_fails(self, release: timeout.Release, check: str):
        """A caller that is held, a pod that never comes to rest."""
        found = verdicts(timeout.judged(plan_of("timeout"), 900, self.measurement(), release))

        assert found[check] is Verdict.FAIL

    def test_a_machine_that_is_late_for_everybody_is_not_held_against_the_mesh(self):
        """Answers of the sound version come as late as those that run into the deadline."""
        measurement = self.measurement()
        measurement.observations = [replace(one, latency_seconds=2.2) for one in measurement.observations]

        found = timeout.judged(plan_of("timeout"), 900, measurement, timeout.Release(1.3, None))

        reasons = {check.name: check.reason for check in found}
        assert Verdict.FAIL not in verdicts(found).values()
        assert reasons["the caller is free"].endswith(BUSY)
        assert reasons["the hang ends"].endswith(BUSY)

    def test_others_who_keep_pods_busy_are_not_held_against_the_mesh(self):
        """Then nothing is said of when the caller is free."""
        found = timeout.judged(plan_of("timeout"), 900, self.measurement(), timeout.Release(None, None), 40)

        open_questions = {check.name: check.reason for check in found if check.verdict is not Verdict.PASS}
        assert set(open_questions) == {"the caller is free", "the hang ends"}
        assert all("40 more than this proof" in reason for reason in open_questions.values())

    def test_a_request_without_answer_is_late_if_it_took_that_long(self):
        """Losing it does not make the deadline kept."""
        measurement = self.measurement()
        measurement.observations[1] = Observation(1, None, (), 18.0, Loss.TIMEOUT)

        found = verdicts(timeout.judged(plan_of("timeout"), 900, measurement, self.FREE))

        assert found["later than 0.75 s + 1 s"] is Verdict.FAIL


class TestReading:
    @pytest.mark.parametrize(("text", "value"), [("500ms", 0.5), ("2s", 2), ("1m30s", 90), ("1.5s", 1.5)])
    def test_durations(self, text: str, value: float):
        """As Istio writes them."""
        assert seconds(text) == pytest.approx(value)

    @pytest.mark.parametrize("text", ["", "5", "soon", "5 s"])
    def test_what_is_no_duration_is_not_understood(self, text: str):
        """It is quoted."""
        with pytest.raises(UnsupportedConfig, match="is not a duration"):
            seconds(text)

    def test_samples_are_summed_by_name_and_labels(self):
        """Comments and other metrics are left out."""
        text = '# HELP a_total x\na_total{outcome="hang"} 2.0\na_total{outcome="error"} 3.0\nb 7.0\n'

        assert (sample_sum(text, "a_total"), sample_sum(text, "a_total", outcome="hang")) == (5, 2)
        assert (sample_sum(text, "b"), sample_sum(text, "c")) == (7, 0)
