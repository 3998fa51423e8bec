"""Kustomizations are built, and every object has its origin."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from localmesh.manifests import LoadResult, Resource, load
from localmesh.manifests.kustomize import CHOSEN, build_kustomization
from localmesh.manifests.patches import Patches
from localmesh.problems import FieldPath, ManifestError

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: logic
spec:
  ports:
    - name: http
      port: 80
"""

ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: logic}\n"

LABELS = '[{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a base of two objects, and an overlay that patches one of them."""
    _write(tmp_path / "base", "service.yaml", SERVICE)
    _write(tmp_path / "base", "account.yaml", ACCOUNT)
    _write(
        tmp_path / "base", "kustomization.yaml", "namespace: shop\nresources: [service.yaml, account.yaml]\n"
    )
    patch = "apiVersion: v1\nkind: Service\nmetadata: {name: logic, namespace: shop, labels: {a: b}}\n"
    _write(tmp_path / "overlay", "patch.yaml", patch)
    _write(tmp_path / "overlay", "kustomization.yaml", "resources: [../base]\npatches:\n- path: patch.yaml\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def _of(loaded: LoadResult, kind: str) -> Resource:
    (only,) = (resource for resource in loaded.resources if resource.kind == kind)
    return only


def _error_of(*kustomizations: Path) -> str:
    with pytest.raises(ManifestError) as caught:
        load(kustomizations=kustomizations)
    return str(caught.value)


def test_files_that_are_not_yaml_are_named_with_their_lines(project: Path) -> None:
    """All of them, in the folder itself and in those it builds on, instead of the message of kustomize."""
    (project / "overlay" / "patch.yaml").write_text("apiVersion: v1\nkind: [Service\nmetadata: {}\n")
    (project / "base" / "account.yaml").write_text('kind: "ServiceAccount\n')

    message = _error_of(project / "overlay")

    assert "overlay/patch.yaml:" in message
    assert "base/account.yaml:1: error SM002" in message
    assert "kustomize says" not in message


def test_a_kustomization_that_is_not_yaml_is_named_with_its_line(project: Path) -> None:
    """The file of the kustomization is checked first."""
    (project / "overlay" / "kustomization.yaml").write_text("resources:\n- ../base\npatches: [a\n")

    assert "overlay/kustomization.yaml:3: error SM002" in _error_of(project / "overlay")


def test_an_object_has_its_file_and_what_patched_it(project: Path) -> None:
    """The file of the base, relative to the working folder, and the folder of the overlay."""
    service = _of(load(kustomizations=[Path("overlay")]), "Service")

    assert (service.place.file, service.place.patched_by) == ("base/service.yaml", ("overlay",))


def test_only_targets_of_patches_count_as_patched(project: Path) -> None:
    """kustomize itself marks every object of the overlay."""
    account = _of(load(kustomizations=[Path("overlay")]), "ServiceAccount")

    assert (account.place.file, account.place.patched_by) == ("base/account.yaml", ())


def test_the_annotations_of_kustomize_are_removed(project: Path) -> None:
    """An object without annotations in its manifest has none."""
    service = _of(load(kustomizations=[Path("overlay")]), "Service")

    assert service.annotations == {}
    assert service.body["metadata"] == {"name": "logic", "namespace": "shop", "labels": {"a": "b"}}


def test_other_annotations_are_kept(project: Path) -> None:
    """Only those of kustomize are removed."""
    text = SERVICE.replace("name: logic", "name: logic\n  annotations: {owner: us}")
    _write(project / "base", "service.yaml", text)

    assert _of(load(kustomizations=[Path("base")]), "Service").annotations == {"owner": "us"}


def test_a_problem_of_an_unpatched_object_has_its_line(project: Path) -> None:
    """The field is found in its file, although kustomize rewrote the object."""
    _write(project / "base", "service.yaml", SERVICE.replace("port: 80", "port: 808080"))

    error = _error_of(Path("base"))

    assert error.startswith("base/service.yaml:8: error SM114: Service shop/logic\n")


def test_a_problem_that_no_patch_caused_is_in_the_file_of_the_object(project: Path) -> None:
    """With the line of the field there, although the object was patched."""
    _write(project / "base", "service.yaml", SERVICE.replace("port: 80", "port: 808080"))

    error = _error_of(Path("overlay"))

    assert error.startswith("base/service.yaml:8: error SM114: Service shop/logic (patched by overlay)\n")


BAD_TYPE = "apiVersion: v1\nkind: Service\nmetadata: {name: logic}\nspec:\n  type: clusterip\n"
INLINE = "".join(f"    {line}\n" for line in BAD_TYPE.splitlines())
OPERATION = '[{"op": "add", "path": "/spec/type", "value": "clusterip"}]'
INSERTIONS = """\
- {op: add, path: /spec/ports/0, value: {name: admin, port: 9000}}
- op: add
  path: /spec/ports/0
  value:
    name: bad
    port: 808080
- {op: add, path: /spec/ports/0, value: {name: more, port: 9001}}
"""
APPENDED = "- op: add\n  path: /spec/ports/-\n  value:\n    name: bad\n    port: 808080\n"
BY_TARGET = "patches:\n- {target: {kind: Service}, path: bad.yaml}\n"


@pytest.mark.parametrize(
    ("patches", "patch", "position"),
    [
        ("patches:\n- path: bad.yaml\n", BAD_TYPE, "overlay/bad.yaml:5: error SM104"),
        ("patchesStrategicMerge: [bad.yaml]\n", BAD_TYPE, "overlay/bad.yaml:5: error SM104"),
        ("namePrefix: my-\npatches:\n- path: bad.yaml\n", BAD_TYPE, "overlay/bad.yaml:5: error SM104"),
        (f"patches:\n- patch: |-\n{INLINE}", "", "overlay/kustomization.yaml:8: error SM104"),
        (
            f"patches:\n- target: {{kind: Service, name: log.*}}\n  patch: '{OPERATION}'\n",
            "",
            "overlay/kustomization.yaml:4: error SM104",
        ),
        (BY_TARGET, OPERATION, "overlay/bad.yaml:1: error SM104"),
        (BY_TARGET, INSERTIONS, "overlay/bad.yaml:6: error SM114"),
        (BY_TARGET, APPENDED, "overlay/bad.yaml:5: error SM114"),
    ],
)
def test_a_problem_that_a_patch_caused_is_in_the_patch(
    project: Path, patches: str, patch: str, position: str
) -> None:
    """Merged or by operations, in a file or inline, by name or by target, renamed, and with other entries."""
    _write(project / "overlay", "kustomization.yaml", f"resources: [../base]\n{patches}")
    _write(project / "overlay", "bad.yaml", patch)

    first, *_ = _error_of(Path("overlay")).splitlines()

    name = "my-logic" if "my-" in patches else "logic"
    assert first == f"{position}: Service shop/{name} (patch of base/service.yaml)"


def test_the_last_patch_that_set_the_field_counts(project: Path) -> None:
    """An overlay on another one may set the same value again, and so may a second patch."""
    _write(project / "overlay", "patch.yaml", BAD_TYPE)
    _write(project / "top", "kustomization.yaml", "resources: [../overlay]\npatches: [{path: top.yaml}]\n")
    _write(project / "top", "top.yaml", BAD_TYPE.replace("  type", "  selector: {a: b}\n  type"))

    assert _error_of(Path("overlay")).startswith("overlay/patch.yaml:5: error SM104")
    assert _error_of(Path("top")).startswith("top/top.yaml:6: error SM104")

    twice = "resources: [../overlay]\npatches: [{path: other.yaml}, {path: top.yaml}]\n"
    _write(project / "top", "other.yaml", BAD_TYPE)
    _write(project / "top", "kustomization.yaml", twice)

    assert _error_of(Path("top")).startswith("top/top.yaml:6: error SM104")


def test_entries_that_kustomize_merges_by_name_are_found_in_the_patch(project: Path) -> None:
    """The second container of the object is the first of the patch."""
    patch = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: logic}\nspec:\n  template:\n    spec:\n"
        "      containers:\n      - name: b\n        ports:\n        - containerPort: 9000\n"
    )
    _write(project / "overlay", "patch.yaml", patch)
    containers = [
        {"name": "a", "image": "a"},
        {"name": "b", "image": "b", "ports": [{"containerPort": 9000}]},
    ]
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "logic"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    port = FieldPath("spec", "template", "spec", "containers", 1, "ports", 0, "containerPort")
    image = FieldPath("spec", "template", "spec", "containers", 1, "image")

    assert Patches().setter([Path("overlay")], body, port) == ("overlay/patch.yaml", 10)
    assert Patches().setter([Path("overlay")], body, image) is None


def test_no_line_is_claimed_where_patches_moved_the_entries(project: Path) -> None:
    """The first port of the file is the second one of the object, and both of the file are wrong."""
    ports = "    - {name: http, port: 808080}\n    - {name: admin, port: 808080}\n"
    _write(project / "base", "service.yaml", SERVICE[: SERVICE.index("    - name")] + ports)
    inserted = '[{"op": "add", "path": "/spec/ports/0", "value": {"name": "more", "port": 9000}}]'
    patches = f"patches: [{{target: {{kind: Service}}, patch: '{inserted}'}}]"
    _write(project / "overlay", "kustomization.yaml", f"resources: [../base]\n{patches}\n")

    heads = [line for line in _error_of(Path("overlay")).splitlines() if "SM114: " in line]

    assert heads == ["base/service.yaml: error SM114: Service shop/logic (patched by overlay)"] * 2


@pytest.mark.parametrize(
    "patches",
    [
        f"patches: [{{target: {{kind: Service}}, patch: '{LABELS}'}}]",
        f"patches: [{{target: {{name: log.*}}, patch: '{LABELS}'}}]",
        f"patchesJson6902: [{{target: {{version: v1, kind: Service, name: logic}}, patch: '{LABELS}'}}]",
        "patchesStrategicMerge: [patch.yaml]",
        "namePrefix: my-\npatches: [{path: patch.yaml}]",
        "replacements: [{source: {kind: ServiceAccount, name: logic}, "
        "targets: [{select: {kind: Service}, fieldPaths: [metadata.name]}]}]",
    ],
)
def test_every_type_of_patch_is_recognized(project: Path, patches: str) -> None:
    """By target, by pattern, in the old form, renamed, and by replacement."""
    _write(project / "overlay", "kustomization.yaml", f"resources: [../base]\n{patches}\n")

    service = _of(load(kustomizations=[Path("overlay")]), "Service")

    assert service.place.patched_by == ("overlay",)


def test_generated_objects_are_in_the_file_of_the_kustomization(project: Path) -> None:
    """They have no file of their own."""
    text = "configMapGenerator: [{name: settings, literals: [A=b]}]\n"
    _write(project / "overlay", "kustomization.yaml", text)

    settings = _of(load(kustomizations=[Path("overlay")]), "ConfigMap")

    assert settings.place.file == "overlay/kustomization.yaml"


def test_building_changes_no_files(project: Path) -> None:
    """Neither the kustomization nor anything near it."""
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}

    build_kustomization(Path("overlay"))

    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("kustomization", "summary"),
    [
        ("resources: [nothing.yaml]", "overlay/nothing.yaml does not exist"),
        ("resources: [../base]\npatches: [{path: nothing.yaml}]", "overlay/nothing.yaml does not exist"),
        ("resource: [../base]", 'the kustomization.yaml has an unknown field "resource"'),
        (
            "resources: [../base/service.yaml]",
            "base/service.yaml is outside overlay, and kustomize reads only files below it",
        ),
        ("resources: [../base, ../base]", "Service.v1.[noGrp]/logic.shop is defined twice"),
        (
            "resources: [../base]\npatches: [{patch: '{apiVersion: v1, kind: Pod, metadata: {name: a}}'}]",
            "a patch targets Pod.v1.[noGrp]/a.[noNs], which does not exist",
        ),
        (
            "resources: [../base]\npatches: [{target: {kind: Service}, patch: '[{op: nonsense}]'}]",
            'unable to parse SM or JSON patch from [patch: "[{op: nonsense}]"]',
        ),
        ("resources: [../empty]", "there is no kustomization.yaml in empty"),
    ],
)
def test_errors_of_kustomize_are_summarized(project: Path, kustomization: str, summary: str) -> None:
    """In one line that names the cause, without our wrapper."""
    _write(project / "overlay", "kustomization.yaml", kustomization)

    (project / "empty").mkdir()

    lines = _error_of(Path("overlay")).splitlines()

    assert lines[:2] == ["overlay: error SM004", f"  kustomize says: {summary}"]
    assert len(lines) == 3


def test_folders_without_a_kustomization_are_all_reported(project: Path) -> None:
    """All problems at once."""
    (project / "empty").mkdir()

    error = _error_of(Path("empty"), Path("nowhere"))

    assert error.count("fix: name a folder with a kustomization.yaml") == 2


def test_the_program_can_be_chosen(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variable takes precedence over the PATH."""
    places = os.pathsep.join((os.environ["PATH"], str(Path(sys.executable).parent)))
    program = shutil.which("kubectl", path=places) or shutil.which("kustomize", path=places) or ""
    renamed = project / Path(program).name
    renamed.symlink_to(program)
    monkeypatch.setenv(CHOSEN, str(renamed))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    assert "kind: Service" in build_kustomization(Path("base")).text


def test_a_missing_kustomize_is_a_problem_with_a_remedy(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One problem that says what to install, without a traceback."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    error = _error_of(Path("base"))

    assert error == (
        "base: error SM005\n"
        "  neither kustomize nor kubectl is on the PATH\n"
        "  fix: install kustomize or kubectl, or set the environment variable SENTIMESH_KUSTOMIZE "
        "to the path of one; docs/errors.md#sm005"
    )
