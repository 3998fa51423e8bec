"""Which running pods a new desired state replaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from localmesh.catalog.addressing import SyntheticAllocator
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import DesiredState, plan
from localmesh.runtime.mesh import Mesh, MeshSettings

STATEFUL_SET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 2
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: store, image: store}]}
"""


def desired(text: str) -> DesiredState:
    return plan(load_text(text).resources, (), SyntheticAllocator())


@pytest.mark.parametrize(
    ("edit", "outdated"),
    [
        (("", ""), []),
        (("image: store", "image: other"), ["store-0", "store-1"]),
        (("replicas: 2", "replicas: 1"), ["store-1"]),
    ],
)
def test_a_pod_of_the_same_name_is_replaced_if_its_template_changes(
    tmp_path: Path, edit: tuple[str, str], outdated: list[str]
) -> None:
    """Its name tells nothing about its template, unlike that of a Deployment's pod."""
    mesh = Mesh(MeshSettings(tmp_path, tmp_path))
    running: dict[tuple[str, str], Any] = {
        key: Mock(planned=planned) for key, planned in desired(STATEFUL_SET).pods.items()
    }
    mesh.pods = running

    after = desired(STATEFUL_SET.replace(*edit))

    assert [name for _, name in mesh.outdated(after)] == outdated
