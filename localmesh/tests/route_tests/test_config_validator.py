"""Cases in the format of istio-config-validator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localmesh.route_tests.case_schema import CaseFileError
from localmesh.route_tests.reading import read_case_files
from localmesh.tests.route_tests.shop import outcome

ROUTES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: library}
spec:
  hosts: [library.example, www.library.example]
  gateways: [infrastructure/edge]
  http:
    - match: [{uri: {prefix: /catalogue}, method: {regex: GET|HEAD}}]
      headers: {request: {set: {x-from: edge}}}
      fault: {abort: {httpStatus: 503, percentage: {value: 1}}}
      rewrite: {uri: /c}
      route: [{destination: {host: catalogue, port: {number: 80}}}]
    - match: [{uri: {prefix: /loans}}]
      delegate: {name: loans}
    - redirect: {uri: /catalogue}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: loans, namespace: library}
spec:
  http:
    - match: [{uri: {prefix: /loans/new}}]
      route: [{destination: {host: loans}, weight: 90}, {destination: {host: loans2}, weight: 10}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inside, namespace: library}
spec:
  hosts: [catalogue]
  http: [{route: [{destination: {host: catalogue, subset: v1}}]}]
"""

CATALOGUE = "request: {authority: [library.example], method: [GET], uri: [/catalogue/1]}"
LOANS = "request: {authority: [library.example], method: [GET], uri: [/loans/new]}"
BLOCKS = [
    (CATALOGUE, "route: [{destination: {host: catalogue.library.svc.cluster.local, port: {number: 80}}}]"),
    (CATALOGUE, "route: [{destination: {host: catalogue}}]"),
    (CATALOGUE, "rewrite: {uri: /c}"),
    (CATALOGUE, "headers: {request: {set: {x-from: edge}}}"),
    (CATALOGUE, "fault: {abort: {httpStatus: 503, percentage: {value: 1}}}"),
    (CATALOGUE.replace("/catalogue/1", "/"), "redirect: {uri: /catalogue}"),
    (LOANS, "delegate: {name: loans}"),
    (LOANS, "route: [{destination: {host: loans}, weight: 90}, {destination: {host: loans2}, weight: 10}]"),
    (
        CATALOGUE.replace("[library.example]", "[catalogue]"),
        "route: [{destination: {host: catalogue, subset: v1}}]",
    ),
]


def results(folder: Path, capsys: pytest.CaptureFixture[str], *cases: str) -> list[bool]:
    """Whether each case passes."""
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "cases.yaml").write_text("testCases:\n" + "".join(f"  - {{{case}}}\n" for case in cases))
    _, out, _ = outcome(capsys, folder / "cases.yaml", "-f", folder / "routes.yaml", "-o", "json")
    return [case["passed"] for case in json.loads(out)["cases"]]


def test_a_block_of_the_route_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It must be as written; with `wantMatch: false`, and without `wantMatch`, it must not."""
    cases = []
    for request, block in BLOCKS:
        other = block.replace("catalogue", "other").replace("loans", "other").replace("edge", "x")
        other = other.replace("503", "500").replace("/c}", "/d}")
        cases += [
            f"wantMatch: true, {request}, {block}",
            f"wantMatch: false, {request}, {block}",
            f"wantMatch: true, {request}, {other}",
            f"{request}, {other}",
        ]

    passed = results(tmp_path, capsys, *cases)

    of_blocks = {block: passed[4 * index : 4 * index + 4] for index, (_, block) in enumerate(BLOCKS)}
    assert of_blocks == {block: [True, False, False, True] for _, block in BLOCKS}


def test_weights_are_compared_where_they_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the route."""
    routes = [
        "{destination: {host: loans}, weight: 90}, {destination: {host: loans2}, weight: 10}",
        "{destination: {host: loans}}, {destination: {host: loans2}}",
        "{destination: {host: loans}, weight: 80}, {destination: {host: loans2}, weight: 20}",
        "{destination: {host: loans2}}, {destination: {host: loans}}",
    ]

    passed = results(tmp_path, capsys, *(f"wantMatch: true, {LOANS}, route: [{each}]" for each in routes))

    assert passed == [True, True, False, False]


def test_a_host_of_a_gateway_is_called_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even if an older VirtualService has it inside the mesh."""
    routes = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inside, namespace: library}
spec:
  hosts: [library.example]
  http: [{route: [{destination: {host: inside}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: library}
spec:
  hosts: [library.example]
  gateways: [edge]
  http: [{route: [{destination: {host: edge}}]}]
"""
    (tmp_path / "routes.yaml").write_text(routes)
    case = f"{{wantMatch: true, {CATALOGUE}, route: [{{destination: {{host: edge}}}}]}}"
    (tmp_path / "cases.yaml").write_text(f"testCases: [{case}]")

    assert outcome(capsys, tmp_path / "cases.yaml", "-f", tmp_path / "routes.yaml")[0] == 0


def test_no_route_is_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a host that no VirtualService has."""
    unknown = CATALOGUE.replace("[library.example]", "[elsewhere.example]")

    assert results(tmp_path, capsys, f"wantMatch: true, {unknown}, rewrite: {{uri: /c}}") == [False]
    assert results(tmp_path, capsys, f"wantMatch: false, {unknown}, rewrite: {{uri: /c}}") == [True]


def test_without_a_rule_the_answer_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a VirtualService without routes, as Istio leaves out those that delegate to nothing."""
    routes = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: library}
spec:
  hosts: [library.example]
  http: [{match: [{uri: {prefix: /loans}}], delegate: {name: none}}]
"""
    (tmp_path / "routes.yaml").write_text(routes)
    (tmp_path / "cases.yaml").write_text(
        f"testCases: [{{wantMatch: true, {LOANS}, delegate: {{name: none}}}}]"
    )

    _, out, _ = outcome(capsys, tmp_path / "cases.yaml", "-f", tmp_path / "routes.yaml")

    assert "delegate: expected name: none\n" in out
    assert "observed no rule; the request leaves the mesh\n" in out


def test_all_combinations_are_cases(tmp_path: Path) -> None:
    """Of authorities, methods and URIs, in every document."""
    text = """
testCases:
  - description: all
    request: {authority: [a.example, b.example], method: [GET, PUT], uri: [/x, /y], headers: {x-a: b}}
    rewrite: {uri: /}
---
testCases:
  - request: {authority: [a.example], method: [GET], uri: [/]}
    rewrite: {uri: /}
"""
    file = tmp_path / "cases.yaml"
    file.write_text(text)

    first, second = read_case_files([file])

    assert len(first.cases) == 8
    assert first.cases[1].name == "all: PUT a.example/x"
    assert first.cases[1].request.headers == {"x-a": "b"}
    assert [case.name for case in second.cases] == ["GET a.example/"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("wantMatch: true", 'cases.yaml:2: testCases[0]: the field "request" is missing; add testCases'),
        (
            f"{CATALOGUE}, isMatch: true",
            '"isMatch" is not a field here; the fields are delegate, description',
        ),
        (
            CATALOGUE.replace("[GET]", "[]"),
            "testCases[0].request.method: found [], expected at least 1 entry",
        ),
        (
            CATALOGUE.replace("library.example", "a b"),
            'testCases[0].request: "http://a b/catalogue/1" is not a',
        ),
    ],
)
def test_what_cannot_be_used_is_a_line(case: str, message: str, tmp_path: Path) -> None:
    """With file, line and field."""
    file = tmp_path / "cases.yaml"
    file.write_text(f"testCases:\n  - {{{case}}}\n")

    with pytest.raises(CaseFileError) as caught:
        read_case_files([file])

    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{file}:2: ")
    assert message in line
