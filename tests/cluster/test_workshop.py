"""The pages of the workshop on a cluster: the commands for a cluster print what the pages show."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from loadgen.deploy import deployer_of
from loadgen.deploy.cluster import KINDS
from loadgen.deploy.rollout import await_drained, await_pods, await_pushes
from loadgen.meshstate import MeshApi
from loadgen.meshstate.pods import name_of
from tests.cluster.kube import NAMESPACE, Kube
from tests.live import ROOT
from tests.pages import Place
from tests.terminal import Terminal, terminal
from tests.walk import PAGES, copy, walk

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]

BASE = ROOT / "istio" / "base"
CHANGES = ("kubectl apply", "kubectl delete", "kubectl -n sentimesh delete")
WITHOUT_A_MESH = "k8s/no-mesh"
"""What needs no proxies; the page waits for those of the pods that it uses."""
FORWARDED = re.compile(r"port-forward \S+ (\d+):\d+ .*&$")
STOCK_METRICS = ROOT / "istio" / "components" / "stock-envoy-metrics" / "envoyfilter.yaml"
SECONDS = 30.0


@pytest.fixture(scope="module")
def application(kube: Kube, gateway: str, proxy: str) -> Iterator[MeshApi]:
    """The application with the base, whose proxies count requests, for all pages."""
    kube.remove_application()
    with MeshApi(proxy, NAMESPACE) as api:
        deployer_of("cluster", api, "istio-system").apply(BASE)
        counts = requests_are_counted(api, gateway)
        if not counts:
            kube("apply", "--filename", str(STOCK_METRICS))
        yield api
        if not counts:
            kube("delete", "--filename", str(STOCK_METRICS))
    kube.remove_application()


def requests_are_counted(api: MeshApi, gateway: str) -> bool:
    """Whether the proxies have Istio's filter for metrics, as those of Istio's own build do."""
    assert requests.post(f"{gateway}/sentiment", json={"sentence": "I like it"}, timeout=15).ok
    (webapp,) = api.pods(app="webapp")
    return "istio_requests_total{" in api.pod_text(name_of(webapp), 15020, "stats/prometheus")


@pytest.fixture
def opened(
    application: MeshApi, gateway: str, proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """A terminal that is prepared as the workshop's first page says, beside a mesh with the base."""
    deployer_of("cluster", application, "istio-system").apply(BASE)
    monkeypatch.setenv("GATEWAY", gateway)
    monkeypatch.setenv("LOADGEN_GATEWAY", gateway)
    monkeypatch.setenv("LOCALMESH_URL", proxy)
    copy(tmp_path)
    with terminal(tmp_path) as opened:
        yield opened


def await_forwarded(line: str) -> None:
    """Wait until the port that `kubectl port-forward` opens in the background takes connections."""
    if (forwarded := FORWARDED.search(line)) is None:
        return
    end = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", int(forwarded[1])), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens: {line}"
            time.sleep(0.1)


def names(kube: Kube) -> set[str]:
    """The objects of the application's namespace, such as `deployment.apps/logic-v1`; none if it is gone."""
    return set(kube.in_namespace("get", ",".join(KINDS), "--output=name").split())


def await_nothing_left(kube: Kube, before: set[str]) -> None:
    """Wait until the controllers of the cluster have deleted what belongs to deleted objects."""
    end = time.monotonic() + SECONDS
    while left := names(kube) - before:
        assert time.monotonic() < end, f"the page leaves {', '.join(sorted(left))}"
        time.sleep(1)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_says_what_happens_on_a_cluster(
    opened: Terminal, application: MeshApi, kube: Kube, proxy: str, page: Path
) -> None:
    """After each change, the test waits until all pods and proxies have it, where a reader waits a moment.

    At the end, nothing is there that was not before.
    """
    with MeshApi(proxy, "istio-system") as istio:

        def run(line: str) -> tuple[int, list[str]]:
            result = opened.run(line)
            await_forwarded(line)
            if line.startswith(CHANGES) and WITHOUT_A_MESH not in line:
                await_pods(application)
                await_pushes(istio)
                await_drained(application)
            return result

        before = names(kube)
        walk(page, run, Place.CLUSTER)
        await_nothing_left(kube, before)
