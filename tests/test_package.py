"""The wheel: its commands work in an empty folder, and it declares what they import."""

from __future__ import annotations

import ast
import ensurepip
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from localmesh import __version__
from tests.live import ROOT

pytestmark = pytest.mark.xdist_group("package")

BOOKINFO = ROOT / "localmesh" / "tests" / "manifests" / "others" / "bookinfo.yaml"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTEST_PLUGIN = "pytest_plugin"
"""The only package that imports pytest, which loads it."""
PACKAGES = ("localmesh", "loadgen", "workshop")
NO_EXERCISES = (":!workshop/exercises", ":!workshop/broken")
"""They begin with the overlays of the repository."""
NOT_IN_THE_WHEEL = {"Dockerfile", "README.md"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    return folder / f"sentimesh-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, and with the packages that this environment has.

    Nothing is downloaded. A folder named in a .pth file adds its packages but not its .pth files, so the
    editable install of the project is not visible there.
    """
    folder = tmp_path_factory.mktemp("environment")
    archive = _archive_of_pip()
    venv.create(folder, with_pip=archive is None)
    programs = folder / "bin"
    pip = ["-m", "pip"] if archive is None else [archive / "pip"]
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel]
    subprocess.run([programs / "python", *pip, *install], check=True)
    site_packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(site_packages, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def _archive_of_pip() -> Path | None:
    """The archive from which `venv` installs pip: executing it is faster than installing it first."""
    folders = (Path(ensurepip.__file__).parent / "_bundled", sysconfig.get_config_var("WHEEL_PKG_DIR"))
    return next((path for folder in folders if folder for path in Path(folder).glob("pip-*.whl")), None)


def run(command: list[str | Path], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, without this environment's programs on the PATH."""
    environment = {"PATH": os.defpath, "HOME": str(folder), **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_wheel_has_the_packages_without_their_tests(wheel: Path) -> None:
    """Every other file of them is in it, and no other package."""
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES, *NO_EXERCISES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wanted = {name for name in tracked if "/tests/" not in name and Path(name).name not in NOT_IN_THE_WHEEL}

    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == wanted


def test_pytest_finds_the_plugin(installed: Path, tmp_path: Path) -> None:
    """Without any configuration; it offers the fixture and says what it is for."""
    command: list[str | Path] = [installed / "python", "-m", "pytest", "--fixtures", "-q"]

    finished = run(command, tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="")

    assert "localmesh [session scope]" in finished.stdout
    assert "pytest" not in {_normal(name) for name in PROJECT["project"]["dependencies"]}


@pytest.mark.mesh
def test_a_mesh_starts_from_the_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """The mesh needs nothing of the repository except the manifests."""
    (tmp_path / "bookinfo.yaml").write_bytes(BOOKINFO.read_bytes())
    ports = ["--gateway-port", "0", "--api-port", "0"]

    finished = run([installed / "localmesh", "up", "-f", "bookinfo.yaml", *ports, "--", "true"], tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert re.search(r"^localmesh: \d+ pods, \d+ Envoys, ready in ", finished.stderr, flags=re.MULTILINE)


def test_the_load_generator_starts_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """It prints its help."""
    finished = run([installed / "loadgen", "--help"], tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("Usage: loadgen ")


def test_a_missing_kustomize_is_a_problem_with_a_fix(installed: Path, tmp_path: Path) -> None:
    """The message says which programs are missing and what to install, and has the address of a page."""
    command: list[str | Path] = [installed / "localmesh", "up", "-k", ROOT / "istio" / "base", "--", "true"]

    finished = run(command, tmp_path, PATH="/nonexistent")

    assert finished.returncode == 2
    assert finished.stderr.splitlines() == [
        f"{ROOT}/istio/base: error SM005",
        "  neither kustomize nor kubectl is on the PATH",
        "  fix: install kustomize or kubectl, or set the environment variable SENTIMESH_KUSTOMIZE "
        "to the path of one; https://github.com/sentimesh/sentimesh/blob/main/docs/errors.md#sm005",
    ]


@pytest.mark.parametrize("package", ["localmesh", "loadgen"])
def test_the_wheel_declares_what_its_packages_import(package: str) -> None:
    """So does the dependency group from which the image of the package is built."""
    declared = set(map(_normal, PROJECT["project"]["dependencies"]))
    group = set(map(_normal, PROJECT["dependency-groups"][package]))
    distributions = packages_distributions()

    for module in _third_party_modules(package):
        providers = set(map(_normal, distributions[module]))
        assert providers & declared, module
        assert providers & group, module


def test_the_wheel_declares_what_the_workshop_imports() -> None:
    """It has no image of its own, and so no dependency group."""
    declared = set(map(_normal, PROJECT["project"]["dependencies"]))
    distributions = packages_distributions()

    for module in _third_party_modules("workshop"):
        assert set(map(_normal, distributions[module])) & declared, module


def test_the_groups_of_the_images_are_the_dependencies_of_the_wheel() -> None:
    """Each name once with its lower bound, and once in the group of each package that imports it."""
    groups = PROJECT["dependency-groups"]

    names = {_normal(name) for name in groups["localmesh"] + groups["loadgen"]}

    assert names == set(map(_normal, PROJECT["project"]["dependencies"]))
    assert all(">=" in dependency for dependency in PROJECT["project"]["dependencies"])


def _third_party_modules(package: str) -> set[str]:
    """The modules from elsewhere that a package imports."""
    return _imported_modules(ROOT / package) - sys.stdlib_module_names - set(PACKAGES)


def _imported_modules(folder: Path) -> set[str]:
    """The top-level modules that the files of a package import, its tests excepted."""
    modules = set()
    for file in folder.rglob("*.py"):
        if {"tests", PYTEST_PLUGIN} & set(file.relative_to(folder).parts):
            continue
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    return modules


def _normal(requirement: str) -> str:
    """The normalized name of a distribution, from a requirement."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()
