"""Finding the proofs, and running one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgen import proofs as package
from loadgen.http1 import Target
from loadgen.meshstate import MeshApi, NotConfigured, UnsupportedConfig
from loadgen.proofs import proofs
from loadgen.proofs.common.proof import Proof, ProofContext, run
from loadgen.reporting.progress import listener
from loadgen.statistics.judge import Check, Verdict


def bench() -> ProofContext:
    return ProofContext(
        MeshApi("http://127.0.0.1:1", "sentimesh"), Target("127.0.0.1", 1), listener("made-up")
    )


def test_a_new_file_is_a_new_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing else has to be changed for it."""
    source = (
        "from loadgen.proofs.common.proof import Proof\n"
        "PROOF = Proof('made-up', 'a file is enough', lambda bench: [])\n"
    )
    known = proofs()
    (tmp_path / "made_up.py").write_text(source)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])

    found = proofs()

    assert set(found) - set(known) == {"made-up"}
    assert list(found) == sorted(found)


def test_every_proof_stands_under_its_scenarios_name():
    """The module is named like the scenario, and the scenario like its overlay's folder."""
    overlays = Path(package.__file__).parents[2] / "istio/overlays"

    assert all((overlays / scenario).is_dir() for scenario in proofs())


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (NotConfigured("nothing there"), Verdict.FAIL),
        (UnsupportedConfig("too much there"), Verdict.INCONCLUSIVE),
    ],
)
def test_an_expectation_that_cannot_be_taken_is_a_verdict(finding: Exception, verdict: Verdict):
    """What is not in force FAILs, what is not understood is INCONCLUSIVE; the reason is the finding."""

    def prove(_: ProofContext) -> list[Check]:
        raise finding

    result = run(Proof("made-up", "something", prove), bench())

    assert result.verdict is verdict
    assert result.checks[0].reason == str(finding)


def test_a_proof_without_checks_proves_nothing():
    """It is INCONCLUSIVE."""
    assert run(Proof("made-up", "nothing", lambda _: []), bench()).verdict is Verdict.INCONCLUSIVE
