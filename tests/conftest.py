"""One running application for all tests that apply manifests to it and look at the result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import opened_browser
from tests.live import live, overlay
from tests.proof_mesh import ProofMesh


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    """A mesh to which a test applies what it needs, whatever was applied before."""
    with live(tmp_path_factory.mktemp("mesh"), overlay("base")) as running:
        yield ProofMesh(running.api, running.gateway)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module; while it is open, Playwright keeps an event loop running."""
    with opened_browser() as opened:
        yield opened
