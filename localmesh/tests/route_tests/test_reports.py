"""`localmesh test`: its output, the coverage, its exit status, and which manifests it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from localmesh.explain import Request
from localmesh.manifests import load
from localmesh.route_tests import reports
from localmesh.route_tests.cases import Case
from localmesh.route_tests.live import meshes
from localmesh.route_tests.reading import read_case_files
from localmesh.route_tests.run import LiveResult, Run, run_cases
from localmesh.tests.command_line import NOBODY
from localmesh.tests.route_tests.shop import outcome, write
from localmesh.tests.work import lines_run

LINES_OF_A_CASE = 3_000
"""About 0.3 ms."""

CASES = """
manifests: shop.yaml
cases:
  - name: the cart is behind the gateway
    request: http://shop.example/cart/1
    expect: {destination: cart, allowedBy: cart}
  - name: tests get v1
    from: cart-v1
    request: {url: http://books/, headers: {x-test: "yes"}}
    expect: {destination: books/v2, timeout: 1s}
"""
FAILURE = """\
destination: expected books/v2
             observed books/v1
timeout: expected 1s
         observed 0s
rule: VirtualService shop/books, spec.http[0].match[0]
      shop.yaml:81
why:  localmesh explain GET http://books/ --from cart-v1 -H 'x-test: yes' -f shop.yaml
case: a.test.yaml:7"""
MISSING = """\
coverage: 3 of 7 rules (42.8 %)
  a.test.yaml: 3 of 7 rules (42.8 %)
    not reached: VirtualService shop/edge, spec.http[0] "moved"
                 shop.yaml:63
    not reached: VirtualService shop/books, spec.http[1] "split"
                 shop.yaml:86
    not reached: AuthorizationPolicy shop/cart, spec.rules[0]
                 shop.yaml:113
    not reached: AuthorizationPolicy shop/no-delete, spec.rules[0]
                 shop.yaml:121
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the cases is the current one."""
    write(tmp_path, CASES)
    monkeypatch.chdir(tmp_path)


def test_a_line_for_each_case_and_differences_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """With the rule that decides, and where both are written."""
    details = "".join(f"        {line}\n" for line in FAILURE.splitlines())

    assert outcome(capsys, "a.test.yaml") == (
        1,
        "a.test.yaml\n"
        "  PASS  the cart is behind the gateway\n"
        f"  FAIL  tests get v1\n{details}\n"
        "2 cases: 1 passed, 1 failed\n"
        "coverage: 3 of 7 rules (42.8 %)\n",
        "",
    )


def test_a_failure_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What of the rules before the chosen one did not match, why a proxy answers, and how to see more."""
    (tmp_path / "b.test.yaml").write_text("""
manifests: shop.yaml
cases:
  - from: cart-v1
    request: {url: http://books/, headers: {x-test: "no"}}
    expect: {route: test}
  - from: cart-v1
    request: {method: POST, url: http://cart/, jwt: {iss: me}}
    expect: {status: 200}
""")

    _, out, _ = outcome(capsys, "b.test.yaml")

    lines = [line.strip() for line in out.splitlines()]
    assert 'not:  spec.http[0].match[0] "test": headers[x-test] is "no", expected exact "yes"' in lines
    because = [index for index, line in enumerate(lines) if line.startswith("because: ")]
    assert lines[because[0]].startswith("because: rule 0 of shop/cart: principals is ")
    assert lines[because[0] + 1] == "shop.yaml:113"
    assert (
        """why:  localmesh explain POST http://cart/ --from cart-v1 --jwt '{"iss": "me"}' -f shop.yaml"""
        in lines
    )


def test_the_causes_of_the_first_failures_are_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty of them, as each means an analysis of all manifests."""
    (tmp_path / "b.test.yaml").write_text(f"""
manifests: shop.yaml
cases:
  - from: cart-v1
    request: {{method: POST, host: cart, path: {[f"/{number}" for number in range(21)]}}}
    expect: {{status: 200}}
""")

    _, out, _ = outcome(capsys, "b.test.yaml")

    assert out.count("why:") == 21
    assert out.count("because: rule 0 of shop/cart") == 20


def test_a_destination_that_does_not_exist_is_no_destination(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even if it is the expected one; a host that the manifests do not have may be defined elsewhere."""
    manifests = (tmp_path / "shop.yaml").read_text()
    assert "[{destination: {host: cart}}]" in manifests
    manifests = manifests.replace("[{destination: {host: cart}}]", "[{destination: {host: elsewhere}}]")
    (tmp_path / "shop.yaml").write_text(manifests.replace("name: v2, labels", "name: v3, labels"))
    (tmp_path / "b.test.yaml").write_text("""
manifests: shop.yaml
cases:
  - {from: cart-v1, request: http://books/, expect: {destination: books}}
  - {request: http://shop.example/cart, expect: {destination: elsewhere}}
""")

    _, out, _ = outcome(capsys, "b.test.yaml")

    assert "observed books/v2, which does not exist: 25 %: 503 NC (" in out
    assert 'because: "v2" is not a subset of Service shop/books' in out
    assert "  PASS  GET shop.example/cart\n" in out


def test_details_are_wrapped_for_a_terminal() -> None:
    """Beside their labels; the command stays in one line."""
    (file,) = read_case_files([Path("a.test.yaml")])
    run = run_cases(file.cases, load(files=file.manifests), ["-f", "shop.yaml"])

    lines = reports.text(reports.Report([run]), width=60).splitlines()

    start = lines.index("        rule: VirtualService shop/books,")
    assert lines[start + 1] == "              spec.http[0].match[0]"
    assert [line for line in lines if len(line) > 60 and "why:" not in line] == []
    assert f"        {FAILURE.splitlines()[-2]}" in lines


def test_quiet_prints_failures_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And always the counts."""
    status, out, _ = outcome(capsys, "a.test.yaml", "--quiet")
    (tmp_path / "b.test.yaml").write_text(CASES.split("  - name: tests", maxsplit=1)[0])
    passing = outcome(capsys, "b.test.yaml", "-q")

    assert (status, "PASS" in out, "FAIL" in out) == (1, False, True)
    assert passing == (0, "1 case: 1 passed, 0 failed\ncoverage: 2 of 7 rules (28.5 %)\n", "")


def test_coverage_lists_what_no_case_reaches(capsys: pytest.CaptureFixture[str]) -> None:
    """Each rule with its name and where it is written."""
    _, out, _ = outcome(capsys, "a.test.yaml", "--coverage")

    assert out.endswith(MISSING)


def test_too_little_coverage_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even if all cases pass; the rules that are missing are listed then."""
    (tmp_path / "b.test.yaml").write_text(CASES.split("  - name: tests", maxsplit=1)[0])

    enough = outcome(capsys, "b.test.yaml", "--coverage-at-least", 28)
    status, out, _ = outcome(capsys, "b.test.yaml", "--coverage-at-least", 28.6)

    assert enough[0] == 0
    assert status == 1
    assert "coverage: 2 of 7 rules (28.5 %), expected at least 28.6 %\n" in out
    assert "not reached: VirtualService shop/books, spec.http[0]" in out


def test_rules_of_delegates_and_policies_without_rules_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A route that delegates is no rule itself; a policy without rules is reached if it is asked."""
    manifests = (tmp_path / "shop.yaml").read_text()
    for before, after in (
        ("route: [{destination: {host: cart}}]", "delegate: {name: below}"),
        ("  action: DENY\n  rules: [{to: [{operation: {methods: [DELETE]}}]}]", "  {}"),
    ):
        assert before in manifests
        manifests = manifests.replace(before, after)
    below = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: below, namespace: shop}
spec:
  http:
    - {name: first, match: [{uri: {prefix: /cart/1}}], route: [{destination: {host: cart}}]}
    - {name: second, match: [{uri: {prefix: /cart/2}}], route: [{destination: {host: cart}}]}
"""
    (tmp_path / "delegate.yaml").write_text(manifests + below)

    _, out, _ = outcome(capsys, "a.test.yaml", "-f", "delegate.yaml", "--coverage", "-o", "json")

    coverage = json.loads(out)["coverage"]
    missing = {(each["name"], each["field"]) for each in coverage["missing"]}
    assert coverage["rules"] == 8
    assert missing == {
        ("edge", "spec.http[0]"),
        ("books", "spec.http[1]"),
        ("below", "spec.http[1]"),
        ("cart", "spec.rules[0]"),
    }


def test_the_junit_report(capsys: pytest.CaptureFixture[str]) -> None:
    """A test case for each case with its place, and one for the coverage."""
    status, out, _ = outcome(capsys, "a.test.yaml", "-o", "junit", "--coverage-at-least", 50)

    suite = ElementTree.fromstring(out)[0]
    passed, failed, coverage = suite
    assert status == 1
    assert suite.attrib == {"name": "localmesh test", "tests": "3", "failures": "2"}
    assert passed.attrib == {
        "classname": "localmesh.test",
        "name": "the cart is behind the gateway",
        "file": "a.test.yaml",
        "line": "4",
    }
    assert len(passed) == 0
    assert failed[0].get("message") == "destination: expected books/v2, observed books/v1"
    assert failed[0].text == FAILURE
    assert coverage[0].get("message") == "coverage: 3 of 7 rules (42.8 %), expected at least 50 %"


def test_the_json_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Each case with its differences and the rule that decides, and the coverage."""
    _, out, _ = outcome(capsys, "a.test.yaml", "-o", "json")

    report = json.loads(out)
    assert report["cases"][1] == {
        "file": "a.test.yaml",
        "line": 7,
        "name": "tests get v1",
        "passed": False,
        "differences": [
            {"field": "destination", "expected": "books/v2", "observed": "books/v1"},
            {"field": "timeout", "expected": "1s", "observed": "0s"},
        ],
        "rule": {
            "kind": "VirtualService",
            "namespace": "shop",
            "name": "books",
            "field": "spec.http[0].match[0]",
            "position": "shop.yaml:81",
        },
        "live": None,
    }
    coverage = report["coverage"]
    assert (coverage["reached"], coverage["rules"], coverage["percent"]) == (3, 7, 42.86)
    assert len(coverage["missing"]) == 4


def test_what_real_envoys_do_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """How many requests were sent, which were not, and where Envoy disagrees, which fails."""

    async def sent_to_stubs(runs: list[Run]) -> list[Run]:
        first, second = runs[0].results
        live = [replace(first, live=LiveResult(60, ("explained 200; Envoy: 404",)))]
        live.append(replace(second, differences=(), live=LiveResult(0, not_sent="it would leave the mesh")))
        return [replace(runs[0], results=tuple(live))]

    monkeypatch.setattr(meshes, "sent_to_stubs", sent_to_stubs)

    status, out, _ = outcome(capsys, "a.test.yaml", "--live")

    assert status == 1
    assert "  FAIL  the cart is behind the gateway\n        live: explained 200; Envoy: 404\n" in out
    assert "2 cases: 1 passed, 1 failed\nlive: 60 requests for 1 case, Envoy disagrees with 1\n" in out
    assert "  not sent: tests get v1 (it would leave the mesh)\n" in out


def test_options_replace_the_manifests_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that one file tests several variants."""
    variant = (tmp_path / "shop.yaml").read_text().replace("host: books, subset: v1}}]", "host: cart}}]")
    (tmp_path / "variant.yaml").write_text(variant)

    _, out, _ = outcome(capsys, "a.test.yaml", "-f", "variant.yaml")

    assert "observed cart\n" in out
    assert "variant.yaml:81" in out


def test_files_about_the_same_manifests_are_covered_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their rules count once."""
    first, second = CASES.split("  - name: tests")
    (tmp_path / "b.test.yaml").write_text(first)
    (tmp_path / "c.test.yaml").write_text(f"manifests: shop.yaml\ncases:\n  - name: tests{second}")

    _, out, _ = outcome(capsys, "b.test.yaml", "c.test.yaml", "--coverage")

    assert "coverage: 3 of 7 rules (42.8 %)\n  b.test.yaml, c.test.yaml: 3 of 7" in out


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        (
            "{manifests: shop.yaml, cases: [{from: nobody, request: {url: [books/, books/2]}, "
            "expect: {status: 200}}]}",
            'b.test.yaml:1: no workload or gateway is called "nobody"; there are: books-v1, books-v2',
        ),
        (
            "{manifests: shop.yaml, cases: [{from: cart-v1, request: https://books, expect: {status: 200}}]}",
            "b.test.yaml:1: a sidecar cannot route https://, which the application encrypts: write http://",
        ),
        (
            "{manifests: no.yaml, cases: [{request: GET /, expect: {status: 200}}]}",
            "no.yaml: error SM001\n  cannot be read: No such file or directory",
        ),
        (
            "{cases: [{request: GET /, expect: {status: 200}}]}",
            "b.test.yaml names no manifests: add `kustomization:` or `manifests:`, or give -k DIR or -f FILE",
        ),
    ],
)
def test_unusable_cases_have_exit_status_2(
    cases: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line with the place and what would be right, and nothing is tested."""
    monkeypatch.setattr("localmesh.cli.client.DEFAULT_URL", NOBODY)
    (tmp_path / "b.test.yaml").write_text(cases)

    status, out, err = outcome(capsys, "a.test.yaml", "b.test.yaml")

    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1 or "SM001" in err


def test_a_file_that_does_not_exist_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """As is none."""
    status, _, err = outcome(capsys, "no.test.yaml")

    assert status == 2
    assert "Path 'no.test.yaml' does not exist" in err
    assert outcome(capsys)[0] == 2


def test_a_case_takes_little_work_beside_the_first(tmp_path: Path) -> None:
    """As many lines of Python as two thousand cases a second allow; the first one translates the mesh."""
    loaded = load(files=[tmp_path / "shop.yaml"])
    expect = {"destination": "books", "weights": {"v1": 75, "v2": 25}, "timeout": "1.5s", "retries": 4}

    def lines(count: int) -> int:
        requests = [Request.to(f"http://books/{number}", source="cart-v1") for number in range(count)]
        cases = [Case("case", request, expect, "a.test.yaml", 1) for request in requests]
        return lines_run(lambda: run_cases(cases, loaded))

    lines(1)

    assert (lines(101) - lines(1)) / 100 < LINES_OF_A_CASE
