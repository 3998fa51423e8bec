"""`localmesh validate`: what it reports, in which formats, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from localmesh.tests.command_line import Finished, localmesh

GOOD = """
apiVersion: v1
kind: Service
metadata: {name: logic, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
"""
ROUTE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: logic, namespace: shop}
spec:
  hosts: [logic]
  http:
    - route: [{destination: {host: logic, subset: v1}}]
"""
BAD = ROUTE.replace("hosts: [logic]", "host: [logic]")


def validate(folder: Path, *arguments: str, text: str = "") -> Finished:
    return localmesh(folder, "validate", *arguments, stdin=text)


def problems(finished: Finished) -> dict[str, list[dict[str, Any]]]:
    return {entry["file"]: entry["problems"] for entry in json.loads(finished.stdout)["files"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("service.yaml", GOOD), ("route.yaml", ROUTE), ("deep/bad.yaml", BAD)):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_files_are_one_mesh(folder: Path) -> None:
    """The host of the route is a Service of another file; its subset is missing, which is a warning."""
    finished = validate(folder, "service.yaml", "route.yaml", "-o", "json")

    assert finished.returncode == 0, finished.stderr
    assert problems(finished)["service.yaml"] == []
    (problem,) = problems(finished)["route.yaml"]
    assert problem["message"].startswith('"v1" is not a subset')
    assert problem["url"].endswith("/docs/errors.md#sm203")
    assert {key: value for key, value in problem.items() if key not in {"message", "fix", "url"}} == {
        "severity": "warning",
        "code": "SM203",
        "kind": "VirtualService",
        "namespace": "shop",
        "name": "logic",
        "field": "spec.http[0].route[0].destination.subset",
        "line": 8,
    }


def test_each_file_is_a_mesh_of_its_own(folder: Path) -> None:
    """Folders are searched with their subfolders; the host of another file is unknown then."""
    finished = validate(folder, "--each", "-o", "json", ".")

    codes = {
        file: [problem["code"] for problem in file_problems]
        for file, file_problems in problems(finished).items()
    }
    assert codes == {"deep/bad.yaml": ["SM101"], "route.yaml": ["SM201"], "service.yaml": []}
    assert finished.returncode == 1


def test_each_takes_many_files_and_keeps_their_order(folder: Path) -> None:
    """More files than one process gets at once."""
    names = [f"{number:02}.yaml" for number in range(40)]
    for name in names:
        (folder / name).write_text(GOOD if name != "17.yaml" else BAD)

    finished = validate(folder, "--each", "-o", "json", *names)

    assert [file for file, file_problems in problems(finished).items() if file_problems] == ["17.yaml"]
    assert list(problems(finished)) == names


def test_strict_makes_warnings_errors(folder: Path) -> None:
    finished = validate(folder, "--strict", "service.yaml", "route.yaml")

    assert finished.returncode == 1
    assert "route.yaml:8: error SM203: VirtualService shop/logic" in finished.stdout
    assert finished.stdout.endswith("2 files, 1 error, 0 warnings\n")


def test_the_files_of_a_folder_are_counted(folder: Path) -> None:
    """Those that were read, with and without problems; not those of subfolders."""
    finished = validate(folder, ".")

    assert finished.stdout.endswith("\n2 files, 0 errors, 1 warning\n")


def test_standard_input_is_read(folder: Path) -> None:
    finished = validate(folder, "-", text=BAD)

    assert finished.returncode == 1
    assert finished.stdout.startswith("<stdin>:6: error SM101")
    assert finished.stdout.endswith("\n1 file, 1 error, 0 warnings\n")


def test_junit_has_a_case_for_each_file(folder: Path) -> None:
    """Errors are failures; warnings are the output of a test that passes."""
    finished = validate(folder, "--each", "-o", "junit", ".")

    suite = ElementTree.fromstring(finished.stdout)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    outcomes = {case.get("name"): [element.tag for element in case] for case in suite}
    assert outcomes == {"deep/bad.yaml": ["failure"], "route.yaml": ["system-out"], "service.yaml": []}


def test_sarif_names_rule_and_line(folder: Path) -> None:
    finished = validate(folder, "-o", "sarif", "service.yaml", "route.yaml")

    (run,) = json.loads(finished.stdout)["runs"]
    (result,) = run["results"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["SM203"]
    assert (result["ruleId"], result["level"]) == ("SM203", "warning")
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "route.yaml"},
        "region": {"startLine": 8},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no manifests: give a FILE, a DIR or -k DIR (a kustomization)"),
        (["nope.yaml"], "Path 'nope.yaml' does not exist"),
        (["--each", "-k", "."], "--each validates files"),
        (["--each", "empty"], "no .yaml, .yml or .json files in empty"),
        (["-o", "xml", "route.yaml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(folder: Path, arguments: list[str], message: str) -> None:
    finished = validate(folder, *arguments)

    assert (finished.returncode, finished.stdout) == (2, "")
    assert message in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_text_that_is_not_yaml_is_a_problem_of_its_file(folder: Path) -> None:
    """A manifest copied with the command around it: the first document is read, and then the text breaks."""
    (folder / "copied.yaml").write_text(
        "kubectl apply -f - <<EOF\nkind: Namespace\nmetadata: {name: a}\nEOF\n"
    )

    finished = validate(folder, "--each", "-o", "json", "copied.yaml")

    assert finished.returncode == 1, finished.stderr
    assert problems(finished)["copied.yaml"][0]["code"] in {"SM002", "SM006"}


def test_the_namespace_of_objects_that_name_none(tmp_path: Path) -> None:
    """With -n, as in kubectl: a route then finds the Service beside it."""
    (tmp_path / "service.yaml").write_text(GOOD)
    route = ROUTE.replace(", namespace: shop", "").replace(", subset: v1", "")
    (tmp_path / "route.yaml").write_text(route)

    elsewhere = validate(tmp_path, "service.yaml", "route.yaml")
    there = validate(tmp_path, "-n", "shop", "service.yaml", "route.yaml")

    assert "SM201: VirtualService default/logic" in elsewhere.stdout
    assert there.stdout.endswith("2 files, 0 errors, 0 warnings\n"), there.stdout


def test_of_an_object_in_two_files_the_last_applies(folder: Path) -> None:
    """With a warning, which is an error with --strict."""
    (folder / "again.yaml").write_text(GOOD)

    finished = validate(folder, "service.yaml", "again.yaml")

    assert finished.returncode == 0
    assert (
        "again.yaml:2: warning SM229: Service shop/logic\n  replaces the one in service.yaml:2"
        in finished.stdout
    )
    assert validate(folder, "--strict", "service.yaml", "again.yaml").returncode == 1
