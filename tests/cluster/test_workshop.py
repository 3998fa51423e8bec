"""The pages of the workshop on a cluster: the commands for a cluster print what the pages show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.deploy.rollout import await_drained, await_pods, await_pushes
from loadgen.meshstate import MeshApi
from tests.cluster.kube import NAMESPACE, Kube
from tests.pages import Place
from tests.terminal import Terminal, terminal
from tests.walk import PAGES, copy, walk

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]

CHANGES = ("kubectl apply", "kubectl delete", "kubectl -n sentimesh delete")


@pytest.fixture
def opened(
    base: Kube, gateway: str, proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """A terminal that is prepared as the workshop's first page says."""
    monkeypatch.setenv("GATEWAY", gateway)
    monkeypatch.setenv("LOADGEN_GATEWAY", gateway)
    monkeypatch.setenv("LOCALMESH_URL", proxy)
    copy(tmp_path)
    with terminal(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_says_what_happens_on_a_cluster(opened: Terminal, proxy: str, page: Path) -> None:
    """After each change, the test waits until all pods and proxies have it, where a reader waits a moment."""
    application, istio = MeshApi(proxy, NAMESPACE), MeshApi(proxy, "istio-system")

    def run(line: str) -> tuple[int, list[str]]:
        result = opened.run(line)
        if line.startswith(CHANGES):
            await_pods(application)
            await_pushes(istio)
            await_drained(application)
        return result

    with application, istio:
        walk(page, run, Place.CLUSTER)
