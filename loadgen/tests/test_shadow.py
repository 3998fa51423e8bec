"""The proof of shadow, with possible answers to users and records of pods; and waiting for copies."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.common import copies as copies_module
from loadgen.proofs.common.copies import Activity, Writes, quiet_seconds, settled, write_checks
from loadgen.proofs.shadow import Copies, Observed, compared, findings, judge, load_plan, read
from loadgen.statistics.judge import Check, Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, logic_route, manifests, resources

COUNT = 500


def configured() -> Objects:
    return manifests(*BASE, "istio/overlays/shadow")


SHADOW = read(resources(configured()))


def answered(version: str = "v1", status: int = 200) -> Measurement:
    """Every user's answer, with ids 0, 1, 2 …"""
    hops = (Hop("webapp", "v1", "w"), Hop("logic", version, "l"))
    return Measurement(
        [
            Observation(number, status, hops, 0.01, request_id=str(number), body=b'{"polarity": 0.5}')
            for number in range(COUNT)
        ],
        planned=COUNT,
    )


def copied(share: float = 1.0, *, seed: int = 1, polarity: float = 0.5) -> Copies:
    """What v2 counts and logs of the copies of a share, if it fails at its rates."""
    dice = random.Random(seed)
    records: dict[str, list[dict[str, Any]]] = {}
    for number in range(COUNT):
        if dice.random() < share:
            (outcome,) = dice.choices(["error", "hang", "answered"], [33, 32, 35])
            records[str(number)] = [{"outcome": outcome, "polarity": polarity}]
    ends = [lines[0]["outcome"] for lines in records.values()]
    return Copies({name: ends.count(name) for name in ("answered", "error", "hang")}, records)


WRITES = Writes(
    Measurement([Observation(number, 201, (), 0.01) for number in range(1000)], planned=1000), 1000, 1000
)


def checks_of(measurement: Measurement, copies: Copies) -> list[Check]:
    return list(judge(SHADOW, Observed(measurement, copies, WRITES)))


def verdicts(measurement: Measurement, copies: Copies) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in checks_of(measurement, copies)}


class TestConfiguration:
    def test_the_overlay_mirrors_everything_to_v2(self):
        """And users are on v1; feedback is mirrored to itself."""
        assert (SHADOW.live, SHADOW.mirror.version, SHADOW.mirror.share) == ("v1", "v2", 1.0)
        assert (SHADOW.writes.service, SHADOW.writes.version) == ("feedback", "v1")

    def test_the_base_mirrors_nothing(self):
        """Which is not configured."""
        with pytest.raises(NotConfigured, match="mirrors nothing"):
            read(resources(base()))

    @pytest.mark.parametrize("change", [{"mirrorPercentage": {"value": 0}}, {"mirror": None}])
    def test_no_share_is_no_mirror(self, change: dict[str, Any]):
        """Zero percent, or no destination."""
        objects = configured()
        route = logic_route(objects)
        route.update(change)
        if route["mirror"] is None:
            del route["mirror"]

        with pytest.raises(NotConfigured):
            read(resources(objects))

    def test_a_list_of_mirrors_is_read_too(self):
        """`mirrors` with one entry and its percentage."""
        objects = configured()
        route = logic_route(objects)
        route["mirrors"] = [{"destination": route.pop("mirror"), "percentage": {"value": 25}}]
        del route["mirrorPercentage"]

        assert read(resources(objects)).mirror.share == 0.25

    def test_a_mirror_to_the_version_of_the_users_is_not_supported(self):
        """Copies could not be distinguished from originals."""
        objects = configured()
        logic_route(objects)["mirror"]["subset"] = "v1"

        with pytest.raises(UnsupportedConfig):
            read(resources(objects))

    def test_a_small_share_asks_for_more_requests(self):
        """Within bounds."""
        objects = configured()
        logic_route(objects)["mirrorPercentage"]["value"] = 50

        assert 400 <= load_plan(SHADOW).count < load_plan(read(resources(objects))).count <= 2500


class TestVerdicts:
    def test_a_mesh_that_does_as_configured_passes(self):
        """In each of ten draws."""
        judged = [set(verdicts(answered(), copied(seed=seed)).values()) for seed in range(10)]

        assert judged == [{Verdict.PASS}] * 10

    def test_missing_copies_fail(self):
        """At 100 % a single one that did not come is too much."""
        assert verdicts(answered(), copied(0.99))["copies to v2"] is Verdict.FAIL

    def test_no_copy_at_all_fails(self):
        """Checks of the content of copies are inconclusive."""
        judged = verdicts(answered(), copied(0.0))

        assert judged["copies to v2"] is Verdict.FAIL
        assert judged["copies joined by id"] is Verdict.INCONCLUSIVE

    def test_users_on_the_mirrored_version_or_with_failures_fail(self):
        """Either breaks the promise of a shadow."""
        judged = verdicts(answered("v2", 502), copied())

        assert judged["users see failures"] is judged["users served by v1"] is Verdict.FAIL

    def test_other_traffic_leaves_the_copies_open(self):
        """More arrived than was sent: others send, too."""
        copies = copied()
        copies = Copies({**copies.outcomes, "answered": COUNT}, copies.records)

        assert verdicts(answered(), copies)["copies to v2"] is Verdict.INCONCLUSIVE

    def test_copies_of_requests_that_others_sent_leave_the_join_open(self):
        """With the reason; nothing that only pods tell is a PASS then, and what users see is judged."""
        copies = copied()
        arrived = {**copies.outcomes, "error": copies.outcomes["error"] + 300}

        checks = checks_of(answered(), Copies(arrived, copies.records, foreign_requests=310))

        reasons = {check.name: check.reason for check in checks if check.verdict is Verdict.INCONCLUSIVE}
        assert set(reasons) == {"copies to v2", "failures of v2", "copies joined by id"}
        assert all(
            reason.startswith("others sent 310 requests meanwhile; run it again")
            for reason in reasons.values()
        )
        assert {check.verdict for check in checks} == {Verdict.PASS, Verdict.INCONCLUSIVE}

    @pytest.mark.parametrize("others", [0, 299])
    def test_more_copies_without_a_request_than_others_sent_fail(self, others: int):
        """A few requests of others do not excuse a mesh that gives copies new ids."""
        copies = copied()
        arrived = {**copies.outcomes, "error": copies.outcomes["error"] + 300}

        judged = verdicts(answered(), Copies(arrived, copies.records, foreign_requests=others))

        assert judged["copies joined by id"] is Verdict.FAIL

    def test_a_request_copied_twice_fails_in_spite_of_others(self):
        """Its id is the proof's own."""
        copies = copied()
        assert copies.records is not None
        twice = {**copies.records, "7": [*copies.records["7"]] * 2}

        judged = verdicts(answered(), Copies(copies.outcomes, twice, foreign_requests=50))

        assert judged["copies joined by id"] is Verdict.FAIL

    def test_copies_under_way_leave_them_open(self):
        """What has not arrived yet is not missing."""
        copies = copied()

        judged = verdicts(answered(), Copies(copies.outcomes, copies.records, complete=False))

        assert judged["copies to v2"] is Verdict.INCONCLUSIVE

    def test_a_request_copied_twice_fails(self):
        """Each copy belongs to one request."""
        copies = copied()
        assert copies.records is not None
        twice = {**copies.records, "7": [*copies.records["7"]] * 2}

        assert verdicts(answered(), Copies(copies.outcomes, twice))["copies joined by id"] is Verdict.FAIL

    def test_a_copy_without_its_request_fails(self):
        """An id that no user's answer has."""
        copies = copied()
        assert copies.records is not None
        fewer = {name: lines for name, lines in copies.records.items() if name != "7"}

        assert verdicts(answered(), Copies(copies.outcomes, fewer))["copies joined by id"] is Verdict.FAIL

    def test_an_unreadable_log_leaves_the_join_open(self):
        """The counters alone say the rest."""
        judged = verdicts(answered(), Copies(copied().outcomes, None))

        assert judged.pop("copies joined by id") is Verdict.INCONCLUSIVE
        assert set(judged.values()) == {Verdict.PASS}


def test_the_report_counts_other_polarities():
    """Of those requests that both versions have answered."""
    copies = copied(polarity=-0.5)

    comparison = compared(answered(), copies)
    report = findings(SHADOW, Observed(answered(), copies, WRITES))["report"]

    assert comparison.other_polarities == copies.outcomes["answered"] > 0
    assert f"{copies.outcomes['answered']:,} of them with another polarity than v1" in report


@pytest.mark.parametrize(
    ("stored", "verdict"), [(1000, Verdict.PASS), (2000, Verdict.FAIL), (999, Verdict.FAIL)]
)
def test_each_feedback_is_stored_once(stored: int, verdict: Verdict):
    """Neither lost nor twice."""
    measurement = Measurement([Observation(number, 201, (), 0.01) for number in range(1000)], planned=1000)

    checks = write_checks(SHADOW.writes, Writes(measurement, 1000, stored))

    assert [check.verdict for check in checks] == [Verdict.PASS, verdict]


@pytest.mark.parametrize(
    ("copies", "stored", "verdict"),
    [
        (1100, 1050, Verdict.INCONCLUSIVE),
        (1050, 1050, Verdict.FAIL),
        (2000, 2000, Verdict.FAIL),
        (3000, 1000, Verdict.PASS),
    ],
)
def test_feedback_of_others_is_stored_as_well(copies: int, stored: int, verdict: Verdict):
    """Each of theirs arrives twice, too; a mesh whose copies are stored has no such number of them."""
    measurement = Measurement([Observation(number, 201, (), 0.01) for number in range(1000)], planned=1000)

    share, once = write_checks(SHADOW.writes, Writes(measurement, copies, stored))

    assert (share.verdict, once.verdict) == (Verdict.INCONCLUSIVE, verdict)


class TestSettling:
    @pytest.fixture(autouse=True)
    def _no_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = itertools.count(0, 0.1)
        monkeypatch.setattr(copies_module.time, "monotonic", lambda: next(ticks))
        monkeypatch.setattr(copies_module.time, "sleep", lambda _: None)

    def test_enough_and_nothing_under_way_is_settled(self):
        """Whatever comes first waits for the other."""
        activities = iter([Activity(5, 2), Activity(9, 1), Activity(10, 1), Activity(10, 0)])

        assert settled(lambda: next(activities), enough=10, within_seconds=60)

    def test_without_a_number_it_is_when_nothing_comes_any_more(self):
        """For a second."""
        activities = itertools.chain([Activity(5, 0), Activity(6, 0)], itertools.repeat(Activity(7, 0)))

        assert settled(lambda: next(activities), enough=None, within_seconds=60)
        assert next(activities) == Activity(7, 0)

    def test_what_is_under_way_for_too_long_is_not_settled(self):
        """The deadline ends the waiting."""
        assert not settled(lambda: Activity(5, 1), enough=None, within_seconds=5)

    def test_on_a_slow_machine_quiet_lasts_longer(self):
        """What is on its way may take as long as answers did."""
        slow, fast = (Measurement([Observation(0, 200, (), seconds)]) for seconds in (2.0, 0.01))

        assert (quiet_seconds(slow), quiet_seconds(fast)) == (8, 1)

    def test_too_few_are_not_waited_for_without_end(self):
        """Nothing comes any more: they are missing."""
        assert settled(lambda: Activity(5, 0), enough=6, within_seconds=5)
