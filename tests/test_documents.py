"""Pages are correct: links have targets, commands exist, and lists are complete."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from loadgen.cli import COMMANDS as LOADGEN_COMMANDS
from loadgen.statistics.judge import Verdict
from localmesh import __version__
from localmesh.cli.commands import COMMANDS as LOCALMESH_COMMANDS
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT
from tests.pages import commands, difference
from tests.scenario_lists import TABLE_PAGE, scenarios, with_table
from workshop.cli import commands as workshop_commands

PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
)
IDS = [str(path.relative_to(ROOT)) for path in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\[[^\]]*\]\(([^)#\s]*)#([^)\s]+)\)")
MAKE = re.compile(r"(?:^|\$ |`)make ([a-z-]+)", flags=re.MULTILINE)
COMMANDS = {
    "localmesh": set(LOCALMESH_COMMANDS),
    "loadgen": set(LOADGEN_COMMANDS),
    "workshop": set(workshop_commands().commands),
}
COMMAND = re.compile(r"(?:\.venv/bin/|\$ |`)(localmesh|loadgen|workshop) ([a-z][a-z-]*)")
RECIPES = sorted((ROOT / "docs" / "contributing").glob("*.md"))
PATH = re.compile(
    r"(?<![\w./])((?:services|k8s|istio|localmesh|loadgen|workshop|tests|scripts|docs|compose)/[\w./*-]*[\w*])"
)
NEW = re.compile(r"[A-Z]|my[-_]thing")
"""What the contributor of a recipe writes."""
NAME = re.compile(r"^`([A-Za-z]*_[A-Za-z_]+|[a-z]+[A-Z]\w+|SM\d{3}|[A-Z]{4,})`$")
OWN_TERMS = {
    "check",
    "deviation",
    "external pod",
    "loadgen",
    "localmesh",
    "problem",
    "proof",
    "scenario",
    "served-by",
    "state folder",
    "stub",
    "target",
    "verdict",
}
"""The terms whose meaning on pages is not that of Istio, Envoy or Kubernetes."""


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_have_targets(page: Path) -> None:
    """Every relative link of a page refers to a file or folder of the repository."""
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    missing = [link for link in links if not (page.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_anchors_exist(page: Path) -> None:
    """Every link to a section refers to a heading of the linked page."""
    links = [(path, anchor) for path, anchor in ANCHOR.findall(page.read_text()) if "://" not in path]

    missing = [
        f"{path}#{anchor}"
        for path, anchor in links
        if (target := page.parent / path if path else page).suffix == ".md" and anchor not in _anchors(target)
    ]

    assert missing == []


@pytest.mark.parametrize("page", RECIPES, ids=[page.name for page in RECIPES])
def test_files_named_in_recipes_exist(page: Path) -> None:
    """Every path in code on a page for contributors; those of the new files have a name in capitals."""
    text = page.read_text()
    paths = {match for code in _code(text) for match in PATH.findall(code) if not NEW.search(match)}

    missing = [path for path in sorted(paths) if not (any(ROOT.glob(path)))]

    assert missing == []


@pytest.mark.parametrize("page", RECIPES, ids=[page.name for page in RECIPES])
def test_names_in_recipes_exist(page: Path) -> None:
    """A field, table or function in code on a page for contributors occurs in the code."""
    words = {match for code in _code(page.read_text()) for match in NAME.findall(code)}

    unknown = [word for word in sorted(words) if not _occurs(word)]

    assert unknown == []


@pytest.mark.parametrize("page", RECIPES, ids=[page.name for page in RECIPES])
def test_searches_in_recipes_find_what_is_shown(page: Path) -> None:
    """Every `git grep` finds something, and prints what is below it."""
    for command in commands(page.read_text()):
        if command.line.startswith("git grep "):
            finished = subprocess.run(
                shlex.split(command.line), cwd=ROOT, capture_output=True, text=True, check=True
            )
            assert difference(command.shown, finished.stdout.splitlines()) == ""


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_make_targets_exist(page: Path) -> None:
    """Every `make …` in code on a page is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    named = {target for code in _code(page.read_text()) for target in MAKE.findall(code)}

    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_exist(page: Path) -> None:
    """Every `localmesh …` and `loadgen …` in code on a page is a command of that program."""
    named = {match for code in _code(page.read_text()) for match in COMMAND.findall(code)}

    unknown = [(program, command) for program, command in sorted(named) if command not in COMMANDS[program]]

    assert unknown == []


def test_the_readme_is_one_page_and_starts_with_a_command() -> None:
    """At most 100 lines, and `make demo` before line 25."""
    lines = (ROOT / "README.md").read_text().splitlines()

    assert len(lines) <= 100
    assert any("make demo" in line for line in lines[:24])


def test_every_page_is_in_the_index() -> None:
    """`docs/README.md` links all other pages of its folder."""
    folder = ROOT / "docs"

    linked = set(LINK.findall((folder / "README.md").read_text()))

    pages = {str(page.relative_to(folder)) for page in PAGES if page.is_relative_to(folder)}
    assert pages - {"README.md"} <= linked


def test_the_table_of_scenarios_is_golden(update_golden: bool) -> None:
    """A row for the page of each scenario, with what its heading says; `make golden` writes it."""
    text = TABLE_PAGE.read_text()
    if update_golden:
        text = with_table(text, scenarios())
        TABLE_PAGE.write_text(text)

    assert text == with_table(text, scenarios()), "run `make golden`"


def test_overlays_for_controllers_are_listed() -> None:
    """In a table of their own, since no proof runs them."""
    linked = set(LINK.findall(TABLE_PAGE.read_text()))

    assert {f"../istio/overlays/{name}/README.md" for name in FOR_CONTROLLERS} <= linked


def test_the_glossary_defines_our_own_terms() -> None:
    """Each term once, in alphabetical order, including INCONCLUSIVE."""
    text = (ROOT / "docs" / "glossary.md").read_text()
    field, own = (_first_column(section) for section in text.split("\n## ")[1:])

    assert {*OWN_TERMS, Verdict.INCONCLUSIVE} <= set(own)
    assert own == sorted(own, key=str.lower)
    assert len({*field, *own}) == len(field) + len(own)


def test_the_changelog_has_the_version() -> None:
    """The newest release of the changelog is the version of the package."""
    text = (ROOT / "CHANGELOG.md").read_text()

    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", text, flags=re.MULTILINE)

    assert releases[0] == __version__
    for release in ("Unreleased", *releases):
        assert f"\n[{release}]: https://" in text


def test_every_make_target_has_a_line_of_help() -> None:
    """`make` without a target lists every target for users."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert phony is not None

    for target in phony[1].split():
        assert target in {"help", "check-scenario"} or re.search(rf"^  {target} ", listed, flags=re.MULTILINE)


def test_no_file_names_a_package_registry() -> None:
    """Packages are referred to by name; the client's settings determine the registry."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    hosts = re.compile(
        "|".join(["files.python" + "hosted", "pypi" + r"\.org", "registry.npm" + "js", "proxy.go" + "lang"])
    )
    suffixes = {".txt", ".toml", ".json", ".md", ".sh", ".yaml", ".yml", ".py", ".in"}

    assert "uv.lock" not in {Path(name).name for name in tracked}
    for name in tracked:
        path = ROOT / name
        if path.suffix in suffixes and path.exists():
            assert not hosts.search(path.read_text(errors="replace")), name


def test_requirements_have_hashes_and_no_addresses() -> None:
    """Every pinned version has a hash, and no line has a URL."""
    files = sorted((ROOT / "requirements").glob("*.txt"))

    for file in files:
        text = file.read_text()
        packages = re.findall(r"^[a-z0-9][^\n]*\n(?:    .*\n)+", text, flags=re.MULTILINE)
        assert "://" not in text, file
        assert packages, file
        assert all("--hash=sha256:" in package for package in packages), file


def _code(text: str) -> list[str]:
    """Fenced blocks and inline code."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL)
    rest = re.sub(r"```[a-z]*\n.*?```", "", text, flags=re.DOTALL)
    return blocks + [f"`{code}`" for code in re.findall(r"`([^`\n]+)`", rest)]


@functools.cache
def _occurs(word: str) -> bool:
    """Whether the code or a manifest of the repository has this word."""
    files = ["*.py", "*.yaml", "*.txt", "*.toml", "Makefile"]
    command = ["git", "grep", "--quiet", "--word-regexp", "--fixed-strings", word, "--", *files]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


@functools.cache
def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub forms them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _first_column(text: str) -> list[str]:
    """The first cells of a table's rows, without its head."""
    return re.findall(r"^\| ([^|]+?) \|", text, flags=re.MULTILINE)[1:]
