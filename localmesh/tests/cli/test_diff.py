"""`localmesh diff`: what it compares, its formats, and its exit status."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

import localmesh.diff
from localmesh.cli.commands import run
from localmesh.manifests.revisions import checked_out
from localmesh.tests.diff.shop import SHOP, split

SCHEMA = json.loads((Path(localmesh.diff.__file__).parent / "report.schema.json").read_text())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose last commit has moved half of the requests to v2, and which has a subfolder."""
    folder = tmp_path_factory.mktemp("template")
    _git(folder, "init", "--quiet")
    (folder / "mesh").mkdir()
    (folder / "mesh/shop.yaml").write_text(SHOP)
    for weight in (20, 50):
        (folder / "mesh/split.yaml").write_text(split(100 - weight, weight))
        _commit(folder)
    return folder


@pytest.fixture
def repository(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template, and the working folder."""
    folder = Path(shutil.copytree(template, tmp_path / "repository"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    return folder


def _commit(folder: Path) -> None:
    _git(folder, "add", ".")
    _git(folder, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-qm", "change")


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_revision_is_compared_with_the_working_folder(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The change in the language of routes; exit status 1, and nothing in the repository has changed."""
    before = _git(repository, "status", "--porcelain"), _git(repository, "worktree", "list")

    status = run(["diff", "HEAD~1:mesh", "mesh"])

    assert capsys.readouterr().out == (
        "changed  VirtualService shop/api\n"
        "         spec.http[0].route[0].weight: 80 → 50\n"
        "         spec.http[0].route[1].weight: 20 → 50\n"
        "\n"
        "3 workloads: web-v1, api-v1, api-v2\n"
        "  → api.shop:80\n"
        "    all requests: v1 80 % → 50 %, v2 20 % → 50 %\n"
        "\n"
        "nothing else changes; as before: istio-ingressgateway\n"
    )
    assert status == 1
    assert (_git(repository, "status", "--porcelain"), _git(repository, "worktree", "list")) == before


def test_equal_manifests_have_no_difference(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0."""
    status = run(["diff", "HEAD:mesh", "mesh"])

    assert (status, capsys.readouterr().out) == (0, "no difference\n")


def test_a_path_of_a_revision_can_start_at_the_working_folder(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in git, `./` is the working folder and anything else the top of the repository."""
    monkeypatch.chdir(repository / "mesh")

    status = run(["diff", "HEAD~1:./", "HEAD~1:mesh"])

    assert (status, capsys.readouterr().err) == (0, "")


def test_a_kustomization_of_a_revision_has_the_files_that_it_uses(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own, whatever their names, and other kustomizations, but nothing else of the repository."""
    (repository / "mesh/kustomization.yaml").write_text("resources: [shop.yaml, split.yaml]\n")
    (repository / "overlay").mkdir()
    (repository / "overlay/kustomization.yaml").write_text(
        "resources: [../mesh]\nconfigMapGenerator: [{name: words, files: [words.txt]}]\n"
        "generatorOptions: {disableNameSuffixHash: true}\n"
    )
    (repository / "overlay/words.txt").write_text("old\n")
    (repository / "other.txt").write_text("not needed\n")
    _commit(repository)
    (repository / "overlay/words.txt").write_text("new\n")

    with checked_out("HEAD", ["overlay"]) as checkout:
        files = {str(file.relative_to(checkout.folder)) for file in checkout.folder.rglob("*.*")}
    status = run(["diff", "--since", "HEAD", "overlay"])

    assert status == 1
    assert "data.words.txt: old → new" in capsys.readouterr().out
    assert files == {
        *("mesh/kustomization.yaml", "mesh/shop.yaml", "mesh/split.yaml"),
        *("overlay/kustomization.yaml", "overlay/words.txt"),
    }


def test_objects_without_a_namespace_get_the_given_one(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On both sides, as with the other commands."""
    for name in ("mesh/shop.yaml", "mesh/split.yaml"):
        file = repository / name
        file.write_text(file.read_text().replace(", namespace: shop", ""))
    _commit(repository)
    split_file = repository / "mesh/split.yaml"
    split_file.write_text(split_file.read_text().replace("weight: 50", "weight: 10", 1))

    run(["diff", "HEAD:mesh", "mesh", "-n", "store"])
    between = capsys.readouterr().out
    run(["diff", "--since", "HEAD", "mesh", "-n", "store"])
    since = capsys.readouterr().out

    assert between == since
    assert "→ api.store:80" in between


def test_the_top_of_a_repository_can_be_compared(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its path is a dot; the manifests of subfolders are not part of it."""
    (repository / "top.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: old}}\n")
    _commit(repository)
    (repository / "top.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: new}}\n")

    status = run(["diff", "--since", "HEAD", "."])

    assert status == 1
    assert capsys.readouterr().out.splitlines()[:2] == ["added    Namespace new", "removed  Namespace old"]


def test_several_paths_are_compared_with_what_they_were(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are one mesh; a file that did not exist then is empty there."""
    (repository / "new.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: new}}\n")

    status = run(["diff", "--since", "HEAD~1", "mesh", "new.yaml"])

    output = capsys.readouterr().out
    assert status == 1
    assert "added    Namespace new" in output
    assert "all requests: v1 80 % → 50 %, v2 20 % → 50 %" in output


def test_programs_get_json(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each change has its workloads, its text, and the fields of Envoy's configuration."""
    run(["diff", "HEAD~1:mesh", "mesh", "-o", "json"])

    report = json.loads(capsys.readouterr().out)
    jsonschema.validate(report, SCHEMA)
    (change,) = report["changes"]
    assert change["workloads"] == ["web-v1", "api-v1", "api-v2"]
    assert (change["subject"], change["part"]) == ("→ api.shop:80", "all requests")
    assert change["text"] == "v1 80 % → 50 %, v2 20 % → 50 %"
    (edit,) = change["envoy"]
    assert edit["resource"] == "routes/80"
    assert edit["field"] == "virtualHosts[api.shop.svc.cluster.local:80].routes[0].route.weightedClusters"
    assert [cluster["weight"] for cluster in edit["after"]["clusters"]] == [50, 50]


def test_envoys_json_is_a_unified_diff(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of the weights, below the change in words."""
    run(["diff", "HEAD~1:mesh", "mesh", "--envoy"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# → api.shop:80 all requests: v1 80 % → 50 %, v2 20 % → 50 %"
    assert [line.strip() for line in lines if line.startswith(("-", "+"))] == [
        "--- routes/80 virtualHosts[api.shop.svc.cluster.local:80].routes[0].route.weightedClusters",
        "+++ 3 workloads: web-v1, api-v1, api-v2",
        '-      "weight": 80',
        '+      "weight": 50',
        '-      "weight": 20',
        '+      "weight": 50',
    ]


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ([], "localmesh diff: error: give two of: kustomization, file, folder, REVISION:PATH"),
        (["mesh", "nowhere"], "nowhere does not exist; name a kustomization, a file, a folder"),
        (["mesh", "no-tag:mesh"], 'no-tag: "no-tag" is not a revision of this repository'),
        (["--since", "HEAD"], "localmesh diff: error: --since compares paths"),
        (["--since", "HEAD", "nowhere"], "localmesh diff: error: nowhere: no manifests, neither now nor in"),
        (["--since", "HEAD", "/etc"], "/etc is not in the repository"),
        (["--since", "HEAD", "bad.yaml"], "HEAD:bad.yaml:7: error SM101: VirtualService shop/api"),
        (["HEAD:nowhere", "mesh"], 'HEAD:nowhere: revision HEAD has no "nowhere" below the top'),
        (["HEAD~1:bad.yaml", "mesh"], 'HEAD~1:bad.yaml: revision HEAD~1 has no "bad.yaml"'),
        (["HEAD:bad.yaml", "mesh"], "HEAD:bad.yaml:7: error SM101: VirtualService shop/api"),
        (["-", "-"], "localmesh diff: error: standard input can be only one of both"),
    ],
)
def test_wrong_input_is_one_message(
    repository: Path, sides: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the side, or the file in the revision; exit status 2."""
    (repository / "bad.yaml").write_text(split(1, 1).replace("hosts", "host"))
    _commit(repository)

    status = run(["diff", *sides])

    assert status == 2
    assert capsys.readouterr().err.startswith(message)


class Applied:
    """A running mesh that has the shop, with 20 % of the requests at v2."""

    url = "http://127.0.0.1:7080"

    def get(self, path: str) -> dict[str, str]:
        assert path == "/mesh/manifests"
        return {"text": SHOP + split(80, 20)}


@pytest.mark.parametrize("arguments", [["change.yaml"], ["-f", "change.yaml"]])
def test_files_are_added_to_the_running_mesh(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    """As `apply -f` would do it: nothing is removed."""
    monkeypatch.setattr("localmesh.cli.client.connect", lambda _folder: Applied())
    (repository / "change.yaml").write_text(split(50, 50))

    status = run(["diff", *arguments])

    output = capsys.readouterr().out
    assert status == 1
    assert "all requests: v1 80 % → 50 %, v2 20 % → 50 %" in output
    assert "removed" not in output


@pytest.mark.parametrize("arguments", [["overlay"], ["-k", "overlay"]])
def test_a_kustomization_replaces_the_running_mesh(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    """As `apply -k` would do it: what it does not contain is removed."""
    monkeypatch.setattr("localmesh.cli.client.connect", lambda _folder: Applied())
    (repository / "overlay").mkdir()
    (repository / "overlay/shop.yaml").write_text(SHOP)
    (repository / "overlay/kustomization.yaml").write_text("resources: [shop.yaml]\n")

    status = run(["diff", *arguments])

    assert status == 1
    assert "removed  VirtualService shop/api" in capsys.readouterr().out


def test_no_running_mesh_is_an_error_and_not_a_difference(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, as 1 means that there is a difference."""
    monkeypatch.setenv("LOCALMESH_URL", "http://127.0.0.1:9")

    status = run(["diff", "mesh"])

    assert status == 2
    assert "no mesh answers at http://127.0.0.1:9" in capsys.readouterr().err
