"""The pages of the workshop are correct: each command prints what the page shows, on one mesh for all pages.

Programs of the project are executed in this process, and proofs send a part of their requests: the scenarios'
own pages send all (test_pages.py). Version 2 of logic hangs for a shorter time, which no page shows.
`make workshop` changes none of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest

import loadgen.cli
import localmesh.cli.commands
from loadgen.errors import ExitStatus
from loadgen.meshstate import MeshApi
from loadgen.proofs.common import proof
from loadgen.prove.sequence import wait_until_idle
from loadgen.tests.servers import closed_port
from localmesh.tests.command_line import in_folder
from tests.pages import Place, commands
from tests.proof_mesh import MEASUREMENTS, ProofMesh, SmallerSamples
from tests.scenarios.groups import SHARES
from tests.terminal import Main, Terminal, terminal
from tests.test_pages import made
from tests.walk import PAGES, ROOT, copy, let_logic_hang, walk

HANG_SECONDS = "1"
"""Longer than every deadline of the pages."""
PREPARE = ". docs/workshop/shell.sh"
WIDTH = 100
"""Columns that fit on a page of GitHub, on paper, and on a slide of 1280 pixels."""
MEASURING = {"04-versions", "05-shadow", "13-gateway-api"}
"""Pages with a proof: they run one at a time with other tests that measure shares."""
SECTIONS = ("Before you begin", "Why", "In Istio's documentation", "Clean up")


def page_with_group(page: Path) -> object:
    """A page as a parameter, with the process that runs it."""
    group = SHARES if page.stem in MEASURING else "workshop"
    return pytest.param(page, id=page.stem, marks=pytest.mark.xdist_group(group))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the commands of the pages read."""
    folder = tmp_path_factory.mktemp("workshop")
    copy(folder)
    let_logic_hang(folder, HANG_SECONDS)
    return folder


@pytest.fixture
def laptop(mesh: ProofMesh, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal beside a running mesh that has the base."""
    monkeypatch.setenv("LOCALMESH_URL", mesh.api)
    monkeypatch.setenv("GATEWAY", mesh.gateway)
    monkeypatch.setenv("COLUMNS", f"{WIDTH}")
    programs = {"localmesh": here(localmesh.cli.commands.run), "loadgen": here(loadgen.cli.main)}
    with MeshApi(mesh.api, "sentimesh") as api:
        wait_until_idle(api)
    with terminal(folder, programs) as opened:
        status, printed = opened.run("localmesh apply -k istio/base")
        assert status == 0, printed
        yield opened


def here(main: Callable[[list[str]], int]) -> Main:
    """Run this program in the process of the tests."""
    return lambda folder, arguments: in_folder(main, folder, *arguments)


@pytest.mark.mesh
@pytest.mark.parametrize("page", list(map(page_with_group, PAGES)))
def test_a_page_says_what_happens_on_a_laptop(laptop: Terminal, page: Path) -> None:
    """Each command ends and prints as shown, in order; at the end, the mesh has the base again."""

    def run(line: str) -> tuple[int, list[str]]:
        if line.startswith("make up"):
            assert "localmesh up -k istio/base" in made(line)
            return 0, []
        for _ in range(MEASUREMENTS - 1):
            status, printed = laptop.run(line)
            if status != ExitStatus.INCONCLUSIVE or not line.startswith("loadgen prove"):
                return status, printed
        return laptop.run(line)

    with mock.patch.object(proof, "ProofContext", SmallerSamples):
        walk(page, run)

    assert laptop.run("localmesh diff -k istio/base") == (0, ["no difference"])


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
class TestPage:
    def test_it_has_the_sections_of_a_page(self, page: Path) -> None:
        """In this order; steps are numbered, and come before the explanation."""
        headings = re.findall(r"^## (.*)$", page.read_text(), flags=re.MULTILINE)

        assert "**What you will see.**" in page.read_text()
        assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
        steps = headings[headings.index(SECTIONS[0]) + 1 : headings.index(SECTIONS[1])]
        assert [step.partition(". ")[0] for step in steps] == [f"{n + 1}" for n in range(len(steps))]

    def test_it_says_how_long_it_takes_and_where_istio_explains_it(self, page: Path) -> None:
        """15 to 30 minutes; pages of Istio's documentation by their names."""
        text = page.read_text()
        _, _, documentation = text.partition(f"## {SECTIONS[2]}\n")

        minutes = re.findall(r"^About (\d+) minutes\b", text.partition("\n## ")[0], flags=re.MULTILINE)
        names = re.findall(r'"[A-Z][^"]+"', documentation.partition("\n## ")[0])

        assert [15 <= int(number) <= 30 for number in minutes] == [True]
        assert names

    def test_it_can_be_projected(self, page: Path) -> None:
        """No line of a block is wider than a slide."""
        blocks = re.findall(r"^```[a-z]*\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)

        assert [line for block in blocks for line in block.splitlines() if len(line) > WIDTH] == []

    def test_its_folders_and_files_exist(self, page: Path) -> None:
        """Those that commands apply, in both places."""
        lines = [command.line for place in Place for command in commands(page.read_text(), place)]

        named = {path for line in lines for path in re.findall(r" -[kf] ([\w/.-]+)", line)}

        assert [path for path in named if not (ROOT / path).exists()] == []

    def test_it_has_the_same_steps_on_a_cluster(self, page: Path) -> None:
        """Every step with a command for one place has one for the other, or says what a cluster needs."""
        steps = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]

        for step in steps:
            places = [bool(commands(step, place)) for place in Place]
            assert places in ([True, True], [False, False]) or "On a cluster, " in step, step


def test_the_index_has_all_pages_in_order() -> None:
    """docs/workshop/README.md links each page once, as the next one in its list."""
    index = (PAGES[0].parent / "README.md").read_text()

    linked = re.findall(r"^\d+\. .*?\]\((\d\d-[a-z-]+\.md)\)", index, flags=re.MULTILINE)

    assert linked == [page.name for page in PAGES]


class TestPlaces:
    TEXT = """
On a laptop:

```console
$ localmesh status
ready
```

On a cluster:

```console
$ kubectl get pods
```

| on a laptop | on a cluster |
|---|---|
| `localmesh apply -k a` | `kubectl apply -k a`, then `kubectl wait b` |

```console
$ curl c
```
"""

    def test_commands_are_for_the_place_that_is_named(self) -> None:
        """A label above a block, or the column of a table; other blocks are for both."""
        laptop = commands(self.TEXT, Place.LAPTOP)
        cluster = [command.line for command in commands(self.TEXT, Place.CLUSTER)]

        assert [command.line for command in laptop] == ["localmesh status", "localmesh apply -k a", "curl c"]
        assert laptop[0].shown == ("ready",)
        assert cluster == ["kubectl get pods", "kubectl apply -k a", "kubectl wait b", "curl c"]


class TestShell:
    """docs/workshop/shell.sh says what is wrong, in one line."""

    @pytest.fixture
    def alone(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
        """A prepared terminal without a mesh."""
        for variable in ("GATEWAY", "LOCALMESH_URL"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port()}")
        with terminal(folder) as opened:
            assert opened.run(PREPARE) == (0, [])
            yield opened

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("sentence 3", "nothing answers at http://127.0.0.1:"),
            ("plaintext logic", "no mesh answers at http://127.0.0.1:"),
            ("python docs/workshop/metrics.py", "the metrics of the mesh at http://127.0.0.1:"),
            ("service logi", 'there is no service "logi", but feedback, frontend, logic and webapp'),
            ("stop logic", "logic does not run"),
        ],
    )
    def test_a_mistake_is_named(self, alone: Terminal, line: str, says: str) -> None:
        """A mesh that does not run, a name that does not exist; nothing is taken for an answer."""
        status, printed = alone.run(line)

        assert status == 1
        assert len(printed) == 1
        assert printed[0].startswith(says)

    def test_a_service_runs_once_and_ends(self, alone: Terminal) -> None:
        """Without messages of the shell about jobs."""
        started = alone.run("service logic")
        again = alone.run("service logic")

        assert started[0] == 0
        assert started[1][0].startswith("logic answers at http://127.0.0.1:")
        assert again == (1, ["logic runs already; this ends it: stop logic"])
        assert alone.run("stop logic") == (0, [])
        assert alone.run("curl -s $logic/about")[0] == 7

    def test_it_is_read_in_the_folder_of_the_repository(self, tmp_path: Path) -> None:
        """Elsewhere, or before `make setup`, it says so and sets nothing."""
        (tmp_path / "docs").symlink_to(ROOT / "docs")
        with terminal(tmp_path) as opened:
            assert opened.run(PREPARE) == (
                1,
                [f"the programs are not installed yet: make setup, then: {PREPARE}"],
            )
            assert opened.run("cd docs; . workshop/shell.sh")[1] == [
                f"this is not the folder of the repository: go there first, then: {PREPARE}"
            ]
            assert opened.run("type sentence")[0] == 1


class TestTerminal:
    def test_a_function_stays_defined(self, tmp_path: Path) -> None:
        """As in a terminal of the reader; errors are among the output, and the status is the command's."""
        with terminal(tmp_path) as opened:
            opened.run("say() { echo said $1; }")

            assert opened.run("say it") == (0, ["said it"])
            assert opened.run("printf unfinished; false") == (1, ["unfinished"])
            assert opened.run("echo wrong >&2") == (0, ["wrong"])

    def test_programs_of_this_process_are_called(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With variables expanded and comments removed, unless the line needs a shell."""
        monkeypatch.setenv("GATEWAY", "http://x")
        called: list[Sequence[str]] = []

        def main(_: Path, arguments: Sequence[str]) -> int:
            called.append(arguments)
            return 3

        with terminal(tmp_path, {"loadgen": main}) as opened:
            status, _ = opened.run("loadgen run $GATEWAY --rate 5  # slowly")
            opened.run("loadgen() { cat; }; echo piped | loadgen")

        assert status == 3
        assert called == [["run", "http://x", "--rate", "5"]]
