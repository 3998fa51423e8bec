"""docs/ask.md: its commands print what the page shows, and its example is the file that it names."""

from __future__ import annotations

import re
import shlex

import jsonschema
import pytest
import yaml

from localmesh.cli.commands import run
from localmesh.route_tests.case_schema import schema
from tests.live import ROOT
from tests.pages import Command, commands, difference

PAGE = (ROOT / "docs" / "ask.md").read_text()
TESTS = [command for command in commands(PAGE) if command.line.startswith(".venv/bin/localmesh test ")]
DIFFERENCES = [command for command in commands(PAGE) if command.line.startswith(".venv/bin/localmesh diff ")]
VALIDATIONS = [
    command for command in commands(PAGE) if command.line.startswith(".venv/bin/localmesh validate ")
]
OFFLINE = [command for command in (*TESTS, *VALIDATIONS) if "--live" not in command.line]

pytestmark = pytest.mark.xdist_group("overlays")


@pytest.mark.parametrize("command", OFFLINE, ids=[command.line for command in OFFLINE])
def test_a_command_prints_what_the_page_shows(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the expected exit status."""
    monkeypatch.chdir(ROOT)
    _, *arguments = shlex.split(command.line, comments=True)

    status = run(arguments)

    assert difference(command.shown, capsys.readouterr().out.splitlines()) == ""
    assert status == command.status


@pytest.mark.parametrize("command", DIFFERENCES, ids=[command.line for command in DIFFERENCES])
def test_a_difference_is_what_the_page_shows(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a terminal of 100 columns; the exit status is 1, as there is a difference."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")

    status = run(shlex.split(command.line)[1:])

    assert difference(command.shown, capsys.readouterr().out.splitlines()) == ""
    assert status == 1


def test_the_example_in_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its assertion holds."""
    monkeypatch.chdir(ROOT)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

    exec(compile(program, "docs/ask.md", "exec"), {})


def test_the_example_is_from_the_file() -> None:
    """Apart from the rows that it leaves out."""
    written = yaml.safe_load((ROOT / "istio/overlays/canary/routes.test.yaml").read_text())

    (text,) = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "cases:" in block]

    shown = yaml.safe_load(text)
    rows = written["cases"][0]["table"]
    assert all(row in rows for row in shown["cases"][0]["table"])
    shown["cases"][0]["table"] = rows
    assert shown == written


def test_every_field_of_expect_is_on_the_page() -> None:
    """In the table of expectations."""
    section = PAGE.partition("### Expectations")[2].partition("\n### ")[0]
    documented = set(re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE))

    names = {name for cell in documented for name in re.findall(r"`(\w+)`", cell)}

    assert names == set(schema()["$defs"]["Expect"]["properties"])


def test_the_schema_accepts_every_file_in_the_repository() -> None:
    """As an editor checks it."""
    validator = jsonschema.Draft202012Validator(schema())

    for file in ROOT.glob("istio/**/*.test.yaml"):
        document = yaml.safe_load(file.read_text())
        assert not list(validator.iter_errors(document)), file
