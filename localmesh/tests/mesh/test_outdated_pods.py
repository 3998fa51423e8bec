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


CALLER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: client}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: client, image: client, env: [{name: DB, value: "db:5432"}]}]}
"""


@pytest.mark.parametrize(("service", "outdated"), [("db", 1), ("other", 0)])
def test_a_pod_is_replaced_if_it_names_a_tcp_service_that_is_new(
    tmp_path: Path, service: str, outdated: int
) -> None:
    """It is told the address when it starts; Services that it does not name make no difference."""
    mesh = Mesh(MeshSettings(tmp_path, tmp_path))
    running: dict[tuple[str, str], Any] = {
        key: Mock(planned=planned) for key, planned in desired(CALLER).pods.items()
    }
    mesh.pods = running

    ports = "ports: [{name: tcp, port: 5432}]"
    new = f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: {service}}}\nspec: {{{ports}}}\n"
    after = desired(CALLER + new)

    assert len(mesh.outdated(after)) == outdated
