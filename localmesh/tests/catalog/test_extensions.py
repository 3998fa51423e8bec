"""The order of extensions, and the workloads and sides of a proxy that have them."""

from __future__ import annotations

import pytest

from localmesh.catalog import build
from localmesh.manifests import load_text
from localmesh.problems import ManifestError
from localmesh.tests.web import WEB
from localmesh.translate.from_manifests import proxies


def plugin(name: str, spec: str = "", *, url: str = "file:///m.wasm", namespace: str = "shop") -> str:
    """A WasmPlugin."""
    return f"""---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{url: "{url}"{spec and ", "}{spec}}}
"""


def test_extensions_of_a_proxy_are_ordered_by_priority_and_then_by_namespace() -> None:
    """Those without a priority come last, those of the root namespace after those of the proxy's own."""
    manifests = (
        plugin("root", namespace="istio-system")
        + plugin("plain")
        + plugin("negative", "priority: -1")
        + plugin("high", "priority: 5")
        + plugin("other", "selector: {matchLabels: {app: other}}")
        + plugin("elsewhere", namespace="office")
    )
    catalog, known = proxies(load_text(WEB + manifests).resources)
    (web,) = (proxy for proxy in known if proxy.workload == "web")

    names = [each.resource.name for each in catalog.extensions_for(web)]

    assert names == ["high", "negative", "plain", "root"]


@pytest.mark.parametrize(
    ("match", "modes"),
    [
        ("", {"CLIENT", "SERVER"}),
        ("match: [{mode: CLIENT}]", {"CLIENT"}),
        ("match: [{mode: SERVER}, {mode: CLIENT}]", {"CLIENT", "SERVER"}),
        ("match: [{}]", {"CLIENT", "SERVER"}),
    ],
)
def test_the_modes_of_all_matches_count(match: str, modes: set[str]) -> None:
    """A match without a mode is for both sides, and so is an object without a match."""
    (extension,) = build(load_text(plugin("one", match)).resources)._extensions

    assert {mode for mode in ("CLIENT", "SERVER") if extension.is_for(mode, 8080)} == modes


def test_ports_are_those_of_the_match_with_the_mode() -> None:
    """One match has to fit in both; without a port, as where a sidecar sends to all, none does."""
    matches = "match: [{mode: SERVER, ports: [{number: 80}]}, {mode: CLIENT}]"
    (extension,) = build(load_text(plugin("one", matches)).resources)._extensions

    fitting = [extension.is_for(mode, port) for mode in ("SERVER", "CLIENT") for port in (80, 81, None)]

    assert fitting == [True, False, False, True, True, True]


def test_ports_of_requests_that_sidecars_send_are_not_supported() -> None:
    """They have one listener for all; those of a gateway that targetRefs name have one for each port."""
    gateway = "targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: api}"
    ports = "match: [{ports: [{number: 80}]}]"

    load_text(plugin("at-a-gateway", f"{gateway}, {ports}"))
    with pytest.raises(ManifestError, match="ports of requests that sidecars send"):
        load_text(plugin("anywhere", ports))


@pytest.mark.parametrize(
    ("url", "spec", "message"),
    [
        ("oci://registry.example/m:1", "", "supports modules of this machine"),
        ("registry.example/m:1", "", "supports modules of this machine"),
        ("https://files.example/m.wasm", "", "supports modules of this machine"),
        ("file:///%zz", "", "expected a URL"),
        ("file:///m.wasm", 'selector: {matchLabels: {"a*": b}}', "has no wildcard"),
        ("file:///m.wasm", "type: NETWORK", '"NETWORK" is not supported'),
        ("file:///m.wasm", "match: [{ports: [{number: 80}]}]", "not supported by localmesh"),
        ("file:///m.wasm", "vmConfig: {env: [{name: A, value: a, valueFrom: HOST}]}", "expected no value"),
        ("file:///m.wasm", "vmConfig: {env: [{name: A}, {name: A}]}", "is already used at"),
    ],
)
def test_what_cannot_be_run_is_refused(url: str, spec: str, message: str) -> None:
    """With the field; nothing is pulled."""
    with pytest.raises(ManifestError, match=message):
        load_text(plugin("one", spec, url=url))
