"""Finding the proofs, and the frame that runs one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadgen import proofs as package
from loadgen.http1 import Target
from loadgen.measurement.quality import Quality
from loadgen.meshstate import MeshApi, NotConfigured, Resources, UnsupportedConfig
from loadgen.proofs import proofs
from loadgen.proofs.common.proof import Proof, ProofContext, Result, run
from loadgen.reporting.progress import listener
from loadgen.statistics.judge import Cause, Check, Verdict, passed


class Snapshots(MeshApi):
    """An API whose namespace has these names, at one snapshot after the other; the last one stays."""

    def __init__(self, *namespaces: str) -> None:
        super().__init__("http://127.0.0.1:1", "sentimesh")
        self._namespaces = list(namespaces) or ["sentimesh"]

    def resources(self) -> Resources:
        namespaces = self._namespaces
        return Resources(namespaces.pop(0) if len(namespaces) > 1 else namespaces[0])


def context(*namespaces: str) -> ProofContext:
    return ProofContext(Snapshots(*namespaces), Target("127.0.0.1", 1), listener("made-up"))


def raising(error: BaseException) -> Callable[..., Any]:
    def function(*_: object) -> Any:
        raise error

    return function


def proof(**functions: Callable[..., Any]) -> Proof[str, str]:
    """A proof that expects the name of the namespace, and passes."""
    return Proof(
        **{
            "scenario": "made-up",
            "proves": "something",
            "read": lambda resources: resources.namespace,
            "facts": lambda expectation: {"configured": expectation},
            "measure": lambda *_: "measured",
            "judge": lambda *_: [passed("a check", "that it holds")],
            **functions,
        }
    )


def test_a_new_file_is_a_new_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing else has to be changed for it."""
    source = (
        "from loadgen.proofs.common.proof import Proof\n"
        "PROOF = Proof(\n"
        "    scenario='made-up', proves='a file is enough', read=lambda resources: None,\n"
        "    facts=lambda expectation: {}, measure=lambda *_: None, judge=lambda *_: [],\n"
        ")\n"
    )
    known = proofs()
    (tmp_path / "made_up.py").write_text(source)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])

    discovered = proofs()

    assert set(discovered) - set(known) == {"made-up"}
    assert list(discovered) == sorted(discovered)


def test_every_proof_stands_under_its_scenarios_name():
    """The module is named like the scenario, and the scenario like its overlay's folder."""
    overlays = Path(package.__file__).parents[2] / "istio/overlays"

    assert all((overlays / scenario).is_dir() for scenario in proofs())


def test_expectation_and_measurement_are_what_is_judged():
    """In this order: read, facts, measure, findings, quality, read, judge."""
    calls: list[tuple[str, ...]] = []

    def call(name: str, value: Any) -> Callable[..., Any]:
        def function(*arguments: Any) -> Any:
            calls.append((name, *(argument for argument in arguments if isinstance(argument, str))))
            return value

        return function

    quality = Quality(0.001)
    result = run(
        proof(
            read=call("read", "expected"),
            facts=call("facts", {"configured": "a split"}),
            measure=call("measure", "measured"),
            findings=call("findings", {"afterwards": "it hung"}),
            quality=call("quality", quality),
            judge=call("judge", [passed("a check", "that it holds")]),
        ),
        context(),
    )

    assert calls == [
        ("read",),
        ("facts", "expected"),
        ("measure", "expected"),
        ("findings", "expected", "measured"),
        ("quality", "expected", "measured"),
        ("read",),
        ("judge", "expected", "measured"),
    ]
    assert result.verdict is Verdict.PASS
    assert result.facts == {"configured": "a split", "afterwards": "it hung"}
    assert result.quality == quality


@pytest.mark.parametrize("function", ["read", "measure"])
@pytest.mark.parametrize(
    ("finding", "verdict", "cause"),
    [
        (NotConfigured("nothing there"), Verdict.FAIL, None),
        (UnsupportedConfig("too much there"), Verdict.INCONCLUSIVE, Cause.UNSUPPORTED_CONFIG),
    ],
)
def test_an_expectation_that_cannot_be_read_is_a_verdict(
    function: str, finding: Exception, verdict: Verdict, cause: Cause | None
):
    """What is not configured FAILs, what is not supported is INCONCLUSIVE; the reason is the finding."""
    (check,) = run(proof(**{function: raising(finding)}), context()).checks

    assert (check.verdict, check.cause) == (verdict, cause)
    assert check.reason.startswith(str(finding))


def judged(result: Result) -> tuple[Verdict, Cause | None]:
    (check,) = result.checks
    return check.verdict, check.cause


def test_a_configuration_that_changes_meanwhile_is_no_verdict():
    """It is not known which requests were routed by which."""
    result = run(proof(), context("before", "after"))

    assert judged(result) == (Verdict.INCONCLUSIVE, Cause.CONFIG_CHANGED)
    assert result.facts == {"configured": "before"}


@pytest.mark.parametrize("finding", [NotConfigured("gone"), UnsupportedConfig("odd")])
def test_a_configuration_that_goes_away_meanwhile_has_changed(finding: Exception):
    """The mesh is not to blame for it."""

    def read(resources: Resources) -> str:
        if resources.namespace == "after":
            raise finding
        return resources.namespace

    result = run(proof(read=read), context("before", "after"))

    assert judged(result) == (Verdict.INCONCLUSIVE, Cause.CONFIG_CHANGED)


def test_what_does_not_concern_the_expectation_may_change():
    """Such as the status of a Deployment."""
    assert run(proof(read=lambda _: "same"), context("before", "after")).verdict is Verdict.PASS


def test_ctrl_c_is_no_verdict():
    """Facts are reported all the same."""
    result = run(proof(measure=raising(KeyboardInterrupt())), context())

    assert judged(result) == (Verdict.INCONCLUSIVE, Cause.INTERRUPTED)
    assert result.interrupted
    assert result.facts == {"configured": "sentimesh"}


def test_a_proof_without_checks_proves_nothing():
    """It is INCONCLUSIVE."""
    no_checks: Sequence[Check] = ()

    assert run(proof(judge=lambda *_: no_checks), context()).verdict is Verdict.INCONCLUSIVE


def test_every_cause_has_its_section():
    """In the page that the reports refer to, and no other cause has one."""
    page = (Path(package.__file__).parents[2] / "docs/verdicts.md").read_text()
    causes = [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]

    assert causes == [f"`{cause}`" for cause in Cause]
