"""The pytest plugin: the fixture `localmesh`, a running mesh for all tests of a session.

pytest loads this module in every run, so that it imports nothing else until the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from localmesh.pytest_plugin.local_mesh import LocalMesh

_OPTION = "--localmesh-manifests"
_SETTING = "localmesh_manifests"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option and the setting that name the manifests."""
    text = "kustomizations, files and folders of manifests for the fixture localmesh"
    parser.getgroup("localmesh").addoption(
        _OPTION, action="append", metavar="PATH", help=f"{text}; may be repeated"
    )
    parser.addini(_SETTING, text, type="paths", default=[])


@pytest.fixture(scope="session")
def localmesh_manifests(pytestconfig: pytest.Config) -> list[Path]:
    """The manifests of the fixture `localmesh`; a conftest.py can replace this fixture."""
    given = pytestconfig.getoption(_OPTION)
    return [Path(path).resolve() for path in given] if given else list(pytestconfig.getini(_SETTING))


@pytest.fixture(scope="session")
def localmesh(
    localmesh_manifests: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalMesh]:
    """A running mesh of the configured manifests, with real Envoys; it ends with the session."""
    yield from running_mesh(localmesh_manifests, tmp_path_factory.mktemp("localmesh"))


def running_mesh(manifests: list[Path], folder: Path) -> Iterator[LocalMesh]:
    """Yields a running mesh once; a mesh that cannot start is a failure without a traceback."""
    from localmesh.pytest_plugin.local_mesh import NotStartedError, running

    if not manifests:
        pytest.fail(
            f"the fixture localmesh needs manifests: set `{_SETTING}` in the pytest configuration, "
            f"give {_OPTION} PATH, or return paths from a fixture localmesh_manifests",
            pytrace=False,
        )
    try:
        with running(manifests, folder) as mesh:
            yield mesh
    except NotStartedError as error:
        pytest.fail(f"the mesh of the fixture localmesh did not start:\n{error}", pytrace=False)
