"""Fixtures for the tests on a real cluster, which run only with `pytest -m cluster`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kube import Kube, manual_volume
from tests.kustomize_builds import combine
from tests.live import ROOT


@pytest.fixture(scope="session")
def kube(request: pytest.FixtureRequest) -> Kube:
    """The cluster of KUBECONFIG."""
    if "cluster" not in request.config.option.markexpr:
        pytest.skip("changes a cluster: runs only with `pytest -m cluster`")
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG is not set")
    return Kube()


@pytest.fixture(scope="session")
def gateway() -> str:
    """The URL of the ingress gateway, as this machine reaches it."""
    if not os.environ.get("GATEWAY_URL"):
        pytest.skip("GATEWAY_URL, the URL of the ingress gateway, is not set")
    return os.environ["GATEWAY_URL"]


@pytest.fixture(scope="session")
def proxy() -> Iterator[str]:
    """The address of a `kubectl proxy`."""
    with subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://{process.stdout.readline().split()[-1]}"
        process.terminate()


@pytest.fixture
def namespace(kube: Kube) -> Iterator[None]:
    """Remove the application before and after the test."""
    kube.remove_application()
    yield
    kube.remove_application()


@pytest.fixture
def base(kube: Kube, namespace: None) -> Kube:
    """The application without an overlay, with all pods ready."""
    kube.apply(ROOT / "istio" / "base")
    kube.wait_until_ready()
    return kube


@pytest.fixture
def persistent_feedback(kube: Kube, namespace: None, tmp_path: Path) -> Iterator[Kube]:
    """The application with feedback on a PersistentVolumeClaim, with all pods ready."""
    with manual_volume(kube):
        component = ROOT / "k8s" / "components" / "feedback-volume"
        kube.apply(combine(tmp_path, ROOT / "istio" / "base", component))
        kube.wait_until_ready()
        yield kube
        kube.remove_application()
