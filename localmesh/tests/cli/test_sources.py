"""The manifests of a command, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.cli.sources import Sources
from localmesh.manifests.files import Text
from localmesh.manifests.mesh_config import config_map_of

SETTINGS = """
extensionProviders:
  - {name: ask, envoyExtAuthzHttp: {service: guard.shop.svc.cluster.local, port: 80}}
"""
MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: guard, namespace: shop}
spec: {selector: {app: guard}, ports: [{name: http, port: 80}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: shop}
spec: {action: CUSTOM, provider: {name: ask}, rules: [{}]}
"""


def test_the_settings_of_the_running_mesh_apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy may name an authorizer that only the mesh's own `--mesh-config` has."""
    (tmp_path / "mesh.yaml").write_text(MANIFEST)
    (tmp_path / "kustomization.yaml").write_text("resources: [mesh.yaml]\n")
    sources = Sources((tmp_path,), ())
    settings, _ = config_map_of(Text("settings.yaml", SETTINGS))

    sources.load(strict=False)
    alone = capsys.readouterr().err
    request, _ = sources.request(strict=False, elsewhere=lambda: True, running=lambda: [settings])
    with_mesh = capsys.readouterr().err

    assert "SM239" in alone
    assert "SM239" not in with_mesh
    assert "ConfigMap" not in request["text"]  # the mesh keeps its own settings
