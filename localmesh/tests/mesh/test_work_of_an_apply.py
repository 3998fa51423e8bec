"""How often an apply translates, which is most of its work: counted, without Envoys."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bench.many_services import pods, services
from localmesh.catalog import Catalog, Proxy
from localmesh.manifests import load_text
from localmesh.runtime import mesh as runtime
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.translate import ProxyConfig, TranslationCache, translate


def test_a_changed_route_is_translated_once_for_each_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second time is needed only if pods or gateways are stopped."""
    translations: Counter[str] = Counter()

    def counted(catalog: Catalog, proxy: Proxy, cache: TranslationCache) -> ProxyConfig:
        translations[proxy.name] += 1
        return translate(catalog, proxy, cache)

    async def run() -> Counter[str]:
        mesh = Mesh(MeshSettings(tmp_path, tmp_path))
        monkeypatch.setattr(mesh, "_runtime", FakeRuntime(mesh))
        text = services(2) + pods(3)
        await mesh.apply(load_text(text).resources)
        translations.clear()
        await mesh.apply(load_text(text.replace("weight: 80", "weight: 70")).resources)
        return translations

    monkeypatch.setattr(runtime, "translate", counted)

    assert set(asyncio.run(run()).values()) == {1}
    assert len(translations) == 3


class FakeRuntime:
    """A runtime whose pods are ready without being started."""

    def __init__(self, mesh: Mesh) -> None:
        self.addresses, self.programs = mesh._runtime.addresses, mesh._runtime.programs

    def pod(self, planned: Any, _config: object) -> Any:
        async def start() -> None:
            pass

        as_endpoint = lambda wanted: wanted.as_endpoint(ready=True)  # noqa: E731
        return Mock(planned=planned, as_endpoint=as_endpoint, start=start)
