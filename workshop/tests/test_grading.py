"""Grades and hints come from what was observed, by the judges of the proofs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loadgen.errors import Refused
from loadgen.http1 import Request
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import MeshApi
from loadgen.meshstate.resources import Object
from loadgen.statistics.judge import Verdict, overall
from workshop.configuration import Configuration
from workshop.exercise import Exercise, Expected, Group, Mistake, ObjectsLike
from workshop.facets import holds, summary
from workshop.grading import judged, misplaced, recognised
from workshop.observing import Seen, times

NOTHING = Configuration({})
V1_70, V2_30 = Expected("frontend", "v1", 0.7, 0.7), Expected("frontend", "v2", 0.3, 0.3)
SWAPPED = Mistake("swapped", "The weights are swapped.", {"users": (Expected("frontend", "v2", 0.7, 0.7),)})
NO_EFFECT = Mistake(
    "no-effect",
    "A rule matches and is not used.",
    {"users": (Expected("frontend", "v1", 1, 1),)},
    (ObjectsLike("VirtualService", field="http.match.headers"),),
)
ELSEWHERE = Mistake(
    "elsewhere",
    "Another namespace.",
    {"users": (Expected("frontend", "v1", 1, 1),)},
    (ObjectsLike("Sidecar", True),),
)


def exercise(*expected: Expected, mistakes: tuple[Mistake, ...] = ()) -> Exercise:
    """An exercise with one group, called users."""
    return Exercise(
        name="a",
        folder=Path(),
        title="",
        page=1,
        task="",
        start=Path(),
        hint="",
        groups=(Group(name="users", request=Request(), expected=expected),),
        mistakes=mistakes,
    )


def answers(**versions: int) -> dict[str, Seen]:
    """What users got: so many answers of each version of frontend."""
    observations = [
        Observation(number, 200, (Hop("frontend", version, f"frontend-{version}"),), 0.01)
        for version, count in versions.items()
        for number in range(count)
    ]
    return {"users": Seen(Measurement(observations, planned=len(observations)))}


def verdict(of: Exercise, seen: dict[str, Seen]) -> Verdict:
    """The verdict of all checks."""
    return overall(check.verdict for check in judged(of, seen))


def test_the_expected_shares_pass() -> None:
    """As far as chance allows."""
    assert verdict(exercise(V1_70, V2_30), answers(v1=290, v2=110)) == "PASS"


def test_other_shares_fail_with_what_was_observed() -> None:
    """The reason has the counts."""
    checks = list(judged(exercise(V1_70, V2_30), answers(v1=120, v2=280)))

    assert {check.verdict for check in checks} == {"FAIL"}
    assert "observed v2 280, v1 120" in checks[0].reason


def test_what_must_always_hold_may_not_be_missed_once() -> None:
    """One answer of v2 is one too many."""
    assert verdict(exercise(Expected("frontend", "v1", 1, 1)), answers(v1=39, v2=1)) == "FAIL"


def test_what_is_counted_elsewhere_is_a_share_of_the_requests() -> None:
    """Such as the lines of an access log: none are expected for 40 requests, and ten were written."""
    (measured,) = answers(v1=40).values()
    lines = Expected("lines of webapp", "written", 0, 0)

    written, silent = ({"users": Seen(measured.measurement, {"lines of webapp": count})} for count in (10, 0))

    assert verdict(exercise(lines), silent) == "PASS"
    (failed,) = judged(exercise(lines), written)
    assert failed.verdict == "FAIL"
    assert "observed 10 for 40 requests" in failed.reason


def test_requests_whose_end_is_not_known_leave_the_verdict_open() -> None:
    """For example, none could be sent."""
    assert verdict(exercise(V1_70), answers()) == "INCONCLUSIVE"


def test_a_mistake_is_recognised_by_its_shares() -> None:
    """Swapped weights give 70 instead of 30 %."""
    of = exercise(V1_70, V2_30, mistakes=(NO_EFFECT, SWAPPED))

    assert list(recognised(of, answers(v1=120, v2=280), NOTHING)) == [SWAPPED]


def test_objects_tell_mistakes_apart_that_look_alike() -> None:
    """Everybody gets v1: nothing was done, a rule is never reached, or the object is in another namespace."""
    of = exercise(V1_70, V2_30, mistakes=(NO_EFFECT, ELSEWHERE))
    rule = {"http": [{"match": [{"headers": {"user-group": {"exact": "internal"}}}]}]}
    behind = Configuration({("VirtualService", "ingress"): rule})
    elsewhere = Configuration({}, {("Sidecar", "default"): {}})

    found = [list(recognised(of, answers(v1=400), one)) for one in (NOTHING, behind, elsewhere)]

    assert found == [[], [NO_EFFECT], [ELSEWHERE]]


def test_objects_in_default_are_named_if_the_solution_has_their_kind(tmp_path: Path) -> None:
    """Others, such as the Service of Kubernetes itself, are not; nor twice, if the mistake is about them."""
    of = replace(exercise(V1_70, mistakes=(ELSEWHERE,)), folder=tmp_path)
    (tmp_path / "solution.yaml").write_text("kind: Sidecar\nspec:\n  kind: Service\n")
    there = Configuration({}, {("Sidecar", "mine"): {}, ("Service", "kubernetes"): {}})

    assert list(misplaced(of, there, None)) == ["Sidecar mine"]
    assert list(misplaced(of, there, ELSEWHERE)) == []


def test_an_object_can_be_told_by_the_value_of_a_field() -> None:
    """Lists on the way to it are searched."""
    spec = {"http": [{"route": []}, {"fault": {"abort": {"percentage": {"value": 1}}}}]}
    configuration = Configuration({("VirtualService", "logic"): spec})
    field = "http.fault.abort.percentage.value"

    assert configuration.has(ObjectsLike("VirtualService", field=field, value="1"))
    assert not configuration.has(ObjectsLike("VirtualService", field=field, value="100"))
    assert not configuration.has(ObjectsLike("DestinationRule"))


def test_durations_are_under_or_over_a_bound() -> None:
    """In seconds."""
    slow = Observation(0, 200, (), 3.2)

    assert holds(slow, "seconds", "over 2")
    assert not holds(slow, "seconds", "under 2")
    assert summary([slow], "seconds") == "the slowest took 3.2 s"


def test_small_shares_get_enough_requests_to_be_told_from_none() -> None:
    """10 % is: at that many requests, none is not by chance."""
    group = exercise(Expected("frontend", "v2", 0.1, 0.1)).groups[0]
    none = answers(v1=times(group))

    assert verdict(exercise(Expected("frontend", "v2", 0.1, 0.1)), none) == "FAIL"


class Api(MeshApi):
    """An API with one policy in each namespace, that may be forbidden to list those of `default`."""

    def __init__(self, namespace: str = "trainee-01", *, forbidden: bool = False) -> None:
        super().__init__("http://127.0.0.1:1", namespace)
        self.forbidden = forbidden

    def serves(self, api_version: str, kind: str) -> bool:
        return False

    def in_namespace(self, namespace: str) -> MeshApi:
        return Api(namespace, forbidden=self.forbidden)

    def objects(self, api_version: str, kind: str, query: str = "") -> tuple[Object, ...]:
        if self.forbidden and self.namespace == "default":
            raise Refused("403 Forbidden")
        if kind != "authorizationpolicies":
            return ()
        return ({"metadata": {"name": "deny"}, "spec": {"rules": [{"namespace": self.namespace}]}},)


def test_objects_of_the_namespace_and_those_that_ended_up_in_default_are_read() -> None:
    """Those of other trainees are not."""
    read = Configuration.read(Api())

    assert read.own == {("AuthorizationPolicy", "deny"): {"rules": [{"namespace": "trainee-01"}]}}
    assert read.elsewhere == {("AuthorizationPolicy", "deny"): {"rules": [{"namespace": "default"}]}}


def test_who_may_not_list_objects_in_default_is_graded_without_them() -> None:
    """A trainee on a cluster has rights in one namespace."""
    read = Configuration.read(Api(forbidden=True))

    assert read.elsewhere == {}
    assert read == Configuration.read(Api())
