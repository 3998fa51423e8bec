"""Pages say what is true: links lead somewhere, commands exist, figures of the proof are the manifests'."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import ROOT

PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
)
IDS = [str(path.relative_to(ROOT)) for path in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
MAKE = re.compile(r"(?:^|\$ |`)make ([a-z-]+)", flags=re.MULTILINE)
COMMAND = re.compile(r"(?:\.venv/bin/|\$ |`)(localmesh|loadgen) ([a-z-]+)")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file or folder of the repository."""
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    missing = [link for link in links if not (page.parent / link).exists()]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_make_targets_exist(page: Path) -> None:
    """Every `make …` in code on a page is a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))

    named = {target for code in _code(page.read_text()) for target in MAKE.findall(code)}

    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_exist(page: Path) -> None:
    """Every `localmesh …` and `loadgen …` in code on a page is a command of it."""
    named = {match for code in _code(page.read_text()) for match in COMMAND.findall(code)}

    for program, command in sorted(named):
        helped = subprocess.run(
            [Path(sys.executable).with_name(program), command, "--help"], capture_output=True, check=False
        )
        assert helped.returncode == 0, f"{program} {command}"


def _code(text: str) -> list[str]:
    """Fenced blocks and inline code."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL)
    rest = re.sub(r"```[a-z]*\n.*?```", "", text, flags=re.DOTALL)
    return blocks + [f"`{code}`" for code in re.findall(r"`([^`\n]+)`", rest)]


def test_the_readme_reaches_its_first_command_early() -> None:
    """A newcomer meets `make demo` before line 25."""
    lines = (ROOT / "README.md").read_text().splitlines()

    assert any("make demo" in line for line in lines[:24])


def test_every_make_target_has_a_line_of_help() -> None:
    """`make` alone lists every target that is meant for people."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert phony is not None

    for target in phony[1].split():
        assert target in {"help", "check-scenario"} or re.search(rf"^  {target} ", listed, flags=re.MULTILINE)


def test_no_file_names_a_package_registry_or_a_lock_with_addresses() -> None:
    """Packages are named by name; the client knows from where."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    hosts = re.compile(
        "|".join(["files.python" + "hosted", "pypi" + r"\.org", "registry.npm" + "js", "proxy.go" + "lang"])
    )

    assert "uv.lock" not in {Path(name).name for name in tracked}
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".txt", ".toml", ".json", ".md", ".sh", ".yaml", ".py", ".in"} and path.exists():
            assert not hosts.search(path.read_text(errors="replace")), name
