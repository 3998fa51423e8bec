"""Modules of WebAssembly and scripts in the Envoys."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.tests.catalog.test_extensions import plugin
from localmesh.tests.mesh.shop import BASE, V1, apply, gateway_url, routed
from localmesh.tests.mesh.wasm import header_module
from localmesh.xds.sessions import RejectedError

pytestmark = pytest.mark.mesh

SHOP = (
    BASE
    + V1
    + routed(v1=100)
    + """---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {name: script, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  lua: {inlineCode: "function envoy_on_response(handle) handle:headers():add('x-script', 'yes') end"}
"""
)


def test_a_module_runs_with_its_configuration_and_a_broken_one_is_rejected(tmp_path: Path) -> None:
    """What applies then is as before. A script is at the gateway."""
    module, broken = tmp_path / "module.wasm", tmp_path / "broken.wasm"
    module.write_bytes(header_module("x-module"))
    broken.write_text("not a module")
    plugins = {
        "configured": plugin("own", 'pluginConfig: {greeting: "hello", times: 3}', url=module.as_uri()),
        "broken": plugin("own", url=broken.as_uri()),
    }
    rejected = []

    async def run() -> dict[str, tuple[int, str | None, str | None]]:
        answers = {}
        async with (
            Mesh(MeshSettings(tmp_path / "state", tmp_path)) as mesh,
            aiohttp.ClientSession() as session,
        ):
            for name, manifests in plugins.items():
                try:
                    await apply(mesh, SHOP + manifests)
                except RejectedError as error:
                    rejected.append(f"{name}: {error}")
                async with session.get(gateway_url(mesh)) as answer:
                    headers = answer.headers
                    answers[name] = (answer.status, headers.get("x-module"), headers.get("x-script"))
        return answers

    configured = (200, '{"greeting":"hello","times":3}', "yes")
    result = asyncio.run(run())
    assert result == {
        "configured": configured,
        "broken": configured,
    }
    assert [text.partition(":")[0] for text in rejected] == ["broken"]
    assert "Unable to create Wasm plugin shop.own" in rejected[0]
