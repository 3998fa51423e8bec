"""Access: outcomes of answers, policies, and verdicts on made-up measurements."""

from __future__ import annotations

import json
import time
from asyncio import StreamReader, StreamWriter
from typing import Any

import pytest

from loadgen.errors import NotReachable
from loadgen.http1 import Loss, Request, Target
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import hops
from loadgen.meshstate import MeshApi, NotConfigured, UnsupportedConfig
from loadgen.meshstate.security import (
    OLDEST_CONNECTION_SECONDS,
    applies_to,
    last_change,
    seconds_until_applied,
)
from loadgen.proofs.common.access import (
    DENIED,
    TIMES,
    Access,
    AccessCase,
    DirectCase,
    access_checks,
    ask_directly,
    check_routes,
    direct_check,
    outcome,
    send_cases,
    waited,
)
from loadgen.proofs.common.proof import ProofContext
from loadgen.reporting.progress import listener
from loadgen.statistics.judge import Verdict
from loadgen.tests.servers import always, answer, json_answer, serving
from loadgen.tests.stand_in_mesh import base, resources

REFUSED = Observation(0, 403, (), 0.01, body=b"RBAC: access denied")
NOW = 1_800_000_000.0


def served(status: int, by: bytes, body: Any = None) -> Observation:
    return Observation(0, status, hops(by), 0.01, body=json.dumps(body).encode())


class TestOutcome:
    def test_services_are_named_outermost_first(self):
        """A status alone would not say whether the right ones answered."""
        assert outcome(served(200, b"webapp/v1/w-1, logic/v1/l-1;attempt=1")) == "200 of webapp, logic"

    def test_a_service_that_was_refused_says_by_whom(self):
        """The refusal happens one hop deeper than the answer."""
        problem = {"status": 502, "upstream": {"service": "logic", "status": 403}}

        assert outcome(served(502, b"webapp/v1/w-1", problem)) == "502 of webapp: logic answered 403"

    def test_a_service_that_fails_by_itself_names_no_upstream(self):
        """An answer without an upstream is its own."""
        assert outcome(served(502, b"webapp/v1/w-1", {"status": 502})) == "502 of webapp"

    def test_envoys_refusal_has_its_words(self):
        """So that another 403 is not taken for one."""
        other = Observation(0, 403, (), 0.01, body=b"not today")

        assert outcome(REFUSED) == DENIED
        assert outcome(other) == "403 not today"

    def test_a_bad_token_is_its_status(self):
        """Envoy's words for it are not compared."""
        assert outcome(Observation(0, 401, (), 0.01, body=b"Jwt is expired")) == "401"


class TestVerdicts:
    ACCESS_CASES = tuple(
        AccessCase(name, "feedback", Request("GET", "/feedback"), expected)
        for name, expected in (("read", DENIED), ("write", "201 of feedback"))
    )

    def verdicts(self, read: Observation, write: Observation, times: int = TIMES) -> list[Verdict]:
        """The verdicts if these are the answers, in the order of sending."""
        answers = [read, write] * times
        numbered = [
            Observation(number, one.status, one.hops, 0.01, one.loss, body=one.body)
            for number, one in enumerate(answers)
        ]
        return [check.verdict for check in access_checks(self.ACCESS_CASES, Measurement(numbered))]

    def test_answers_as_expected_pass(self):
        """Each passage has its own."""
        written = served(201, b"feedback/v1/f-1")

        assert self.verdicts(REFUSED, written) == [Verdict.PASS, Verdict.PASS]

    def test_letting_in_whom_should_be_refused_fails(self):
        """And refusing whom should be let in."""
        assert self.verdicts(served(200, b"feedback/v1/f-1"), REFUSED) == [Verdict.FAIL, Verdict.FAIL]

    def test_too_few_answers_are_inconclusive(self):
        """What came is right, but there is less of it than planned."""
        judged = self.verdicts(REFUSED, served(201, b"feedback/v1/f-1"), times=3)

        assert judged == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE]

    def test_lost_answers_say_nothing(self):
        """A lost connection is not a denial by a policy."""
        lost = Observation(0, None, (), 0.01, Loss.RESET)

        assert self.verdicts(lost, lost) == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE]

    def test_one_wrong_answer_of_many_fails(self):
        """Policies leave nothing to chance."""
        right = [Observation(2 * number, 403, (), 0.01, body=REFUSED.body) for number in range(TIMES)]
        right[7] = Observation(14, 200, hops(b"feedback/v1/f-1"), 0.01)

        (check, _) = access_checks(self.ACCESS_CASES, Measurement(right))

        assert check.verdict is Verdict.FAIL
        assert "200 of feedback or 403 RBAC: access denied" in check.reason


class TestRoutes:
    def test_a_request_that_leads_elsewhere_proves_nothing(self):
        """On the base the page takes what is meant for logic."""
        case = AccessCase("to logic", "logic", Request("POST", "/analyse/sentiment"), DENIED)

        with pytest.raises(NotConfigured, match=r"should lead to logic; apply"):
            check_routes(resources(base()), [case], remedy="apply it")

    def test_a_request_that_leads_there_is_taken(self):
        """Feedback is routed in the base, too."""
        case = AccessCase("to feedback", "feedback", Request("GET", "/feedback"), DENIED)

        check_routes(resources(base()), [case], remedy="apply it")


class Pods(MeshApi):
    """An API with two pods, of which one is ready, and one word for all who ask it."""

    says = (403, "RBAC: access denied")

    def pods(self, **_: str) -> Any:
        return tuple(
            {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
            for name, ready in (("one", "True"), ("two", "False"))
        )

    def pod_answer(self, pod: str, port: int, path: str) -> tuple[int, str]:
        return self.says


class NoPods(Pods):
    """An API without pods."""

    def pods(self, **_: str) -> Any:
        return ()


ABOUT = DirectCase("made-up", ("logic",), "/about", DENIED)


def context(api: MeshApi) -> ProofContext:
    return ProofContext(api, Target("gateway", 80), listener("made-up"))


class TestPastTheGateway:
    def test_every_ready_pod_is_asked(self):
        """Those that are not ready have nothing to say."""
        with Pods("http://127.0.0.1:1", "sentimesh") as api:
            assert ask_directly(context(api), ABOUT) == {"one": DENIED}

    def test_without_a_ready_pod_nothing_is_proven(self):
        """Without an answer it is not known whether anyone is admitted."""
        with (
            NoPods("http://127.0.0.1:1", "sentimesh") as api,
            pytest.raises(UnsupportedConfig, match="logic"),
        ):
            ask_directly(context(api), ABOUT)

    @pytest.mark.parametrize(
        ("answers", "verdict"),
        [
            ({"a": DENIED, "b": DENIED}, Verdict.PASS),
            ({"a": DENIED, "b": "200"}, Verdict.FAIL),
            ({}, Verdict.INCONCLUSIVE),
        ],
    )
    def test_all_pods_must_answer_the_same(self, answers: dict[str, str], verdict: Verdict):
        """One that admits the caller is enough to FAIL."""
        assert direct_check(ABOUT, answers).verdict is verdict

    def test_a_pods_refusal_is_an_answer(self):
        """Envoy's 403 comes through the API as it is."""
        with serving(always(answer(403, b"RBAC: access denied"))) as url, MeshApi(url, "sentimesh") as api:
            assert api.pod_answer("one", 8080, "about") == (403, "RBAC: access denied")

    def test_the_apis_own_refusal_is_no_answer_of_the_pod(self):
        """A caller without permission learns nothing about the pod."""
        status = json_answer(403, {"kind": "Status", "message": "pods/proxy is forbidden"})

        with (
            serving(always(status)) as url,
            MeshApi(url, "sentimesh") as api,
            pytest.raises(NotReachable, match="is forbidden"),
        ):
            api.pod_answer("one", 8080, "about")

    def test_a_pod_that_is_kept_apart_is_named(self):
        """The API itself answers then; what cannot be asked is the pod."""

        async def silent(reader: StreamReader, _: StreamWriter) -> None:
            await reader.read()

        with (
            serving(silent) as url,
            MeshApi(url, "sentimesh", timeout_seconds=0.05) as api,
            pytest.raises(NotReachable, match=r"got no answer of pod one:8080 in time: does a NetworkPolicy"),
        ):
            api.pod_answer("one", 8080, "about")


def policy(created: str | None = None, *changed: str, app: str | None = None) -> dict[str, Any]:
    """A policy that was made and changed then."""
    selector = {} if app is None else {"selector": {"matchLabels": {"app": app}}}
    metadata: dict[str, Any] = {"name": "made-up"}
    if created is not None:
        managed = [{"manager": "kubectl", "time": time} for time in changed]
        metadata |= {"creationTimestamp": created, "managedFields": managed}
    return {"metadata": metadata, "spec": selector}


class TestConnections:
    OLD, NEW = "2027-01-15T07:00:00Z", "2027-01-15T08:00:00Z"

    def test_a_local_mesh_is_not_waited_for(self):
        """Its policies hold for open connections, and its objects have no times."""
        assert last_change([policy()]) is None
        assert seconds_until_applied(None, lambda: NOW) == 0

    def test_the_youngest_change_counts(self):
        """Whether it made a policy or changed one."""
        changed = last_change([policy(self.OLD, self.NEW), policy(self.OLD)])

        assert changed == NOW
        assert seconds_until_applied(changed, lambda: NOW + 8) == OLDEST_CONNECTION_SECONDS - 8

    def test_old_policies_are_known_to_all(self):
        """No connection is older."""
        assert seconds_until_applied(last_change([policy(self.OLD)]), lambda: NOW) == 0

    def test_a_clock_ahead_of_ours_does_not_extend_the_waiting(self):
        """The cluster's may be another one."""
        assert seconds_until_applied(NOW, lambda: NOW - 500) == OLDEST_CONNECTION_SECONDS

    def test_the_waiting_is_reported(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ):
        """With its reason, already while it lasts; then the requests are sent."""
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        monkeypatch.setattr(ProofContext, "send", lambda *_: Measurement())
        case = AccessCase("read", "feedback", Request("GET", "/feedback"), DENIED)

        with Pods("http://127.0.0.1:1", "sentimesh") as api:
            access = send_cases(context(api), [case], policies_changed=time.time())

        assert 30 < slept[0] == access.waited_seconds <= OLDEST_CONNECTION_SECONDS
        assert "until no connection is older than the policies" in waited(access)["waited"]
        assert "made-up: waiting" in capsys.readouterr().err

    def test_no_waiting_is_not_reported(self):
        """On a local mesh."""
        assert waited(Access(Measurement())) == {}


@pytest.mark.parametrize(("app", "holds"), [(None, True), ("feedback", True), ("logic", False)])
def test_a_policy_holds_where_its_selector_says(app: str | None, holds: bool):
    """Without one it holds for all."""
    assert applies_to(policy(app=app), "feedback") is holds
