"""What the tests on a real cluster share; they run on request only: `pytest -m cluster`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kube import Kube, hand_made_volume
from tests.kustomize_builds import combine
from tests.live import ROOT


@pytest.fixture(scope="session")
def kube(request: pytest.FixtureRequest) -> Kube:
    """The cluster of KUBECONFIG."""
    if "cluster" not in request.config.option.markexpr:
        pytest.skip("changes a cluster: runs with `pytest -m cluster` only")
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    return Kube()


@pytest.fixture(scope="session")
def gateway() -> str:
    """The address of the ingress gateway, as this machine reaches it."""
    if not os.environ.get("GATEWAY_URL"):
        pytest.skip("GATEWAY_URL does not say where the ingress gateway is")
    return os.environ["GATEWAY_URL"]


@pytest.fixture
def namespace(kube: Kube) -> Iterator[None]:
    """No application before the test, and none after it."""
    kube.remove_application()
    yield
    kube.remove_application()


@pytest.fixture
def base(kube: Kube, namespace: None) -> Kube:
    """The application as it is without an overlay, all pods ready."""
    kube.apply(ROOT / "istio" / "base")
    kube.wait_until_ready()
    return kube


@pytest.fixture
def kept_feedback(kube: Kube, namespace: None, tmp_path: Path) -> Iterator[Kube]:
    """The application with feedback on a claim, all pods ready."""
    with hand_made_volume(kube):
        component = ROOT / "k8s" / "components" / "feedback-volume"
        kube.apply(combine(tmp_path, ROOT / "istio" / "base", component))
        kube.wait_until_ready()
        yield kube
        kube.remove_application()
