"""The mesh-wide settings: where they are read from, Istio's defaults, and where their problems are."""

import textwrap

import pytest

from localmesh.analysis.mesh_config import mesh_config as mesh_config_problems
from localmesh.catalog import Catalog, OutboundMode, Proxy, ProxyKind, build
from localmesh.catalog.mesh_config import DEFAULT, AccessLogEncoding, Normalization
from localmesh.manifests import Text, load_text
from localmesh.problems import ManifestError

PROVIDERS = """\
extensionProviders:
  - name: prometheus
    zipkin: {service: zipkin.tracing.svc.cluster.local, port: "9411"}
  - name: authorizer
    envoyExtAuthzGrpc: {service: authorizer.shop.svc.cluster.local, port: 9000}
"""
WRONG = """\
trustDomain: -a
accessLogFile: 3
outboundTrafficPolicy:
  mode: ALL
proxyListenPort: high
"""


def config_map(settings: str) -> str:
    """The ConfigMap that Istio reads the settings from."""
    metadata = "metadata: {name: istio, namespace: istio-system}"
    head = f"apiVersion: v1\nkind: ConfigMap\n{metadata}\ndata:\n  mesh: |\n"
    return head + textwrap.indent(settings, "    ")


def catalog(settings: str) -> Catalog:
    return build(load_text(config_map(settings)).resources)


def test_settings_that_are_not_written_are_istios_defaults() -> None:
    """Also where there is a ConfigMap of that name without settings, or one of another name."""
    empty = build(load_text(config_map("").replace("name: istio,", "name: other,")).resources)

    assert empty.mesh_config is DEFAULT
    assert catalog("{}").mesh_config == DEFAULT
    assert DEFAULT.outbound_traffic_policy is OutboundMode.ALLOW_ANY
    assert DEFAULT.provider("prometheus") is not None


def test_settings_have_the_types_of_protobufs_json_form() -> None:
    """Names may have underscores, values of enumerations may be numbers, and numbers texts."""
    read = catalog(
        "outbound_traffic_policy: {mode: 0}\naccess_log_encoding: JSON\npathNormalization: null"
    ).mesh_config

    assert read.outbound_traffic_policy is OutboundMode.REGISTRY_ONLY
    assert read.access_log_encoding is AccessLogEncoding.JSON
    assert read.path_normalization is Normalization.DEFAULT


def test_a_provider_replaces_one_of_istios_of_its_name() -> None:
    """All others stay."""
    read = catalog(PROVIDERS).mesh_config

    assert [(provider.name, provider.kind) for provider in read.extension_providers] == [
        ("prometheus", "zipkin"),
        ("stackdriver", "stackdriver"),
        ("envoy", "envoyFileAccessLog"),
        ("authorizer", "envoyExtAuthzGrpc"),
    ]


def test_wrong_settings_are_reported_with_their_lines() -> None:
    """In the ConfigMap as well as in a file of their own."""
    with pytest.raises(ManifestError) as in_object:
        load_text(config_map(WRONG), "mesh.yaml")
    with pytest.raises(ManifestError) as in_file:
        load_text("", mesh_config=Text("settings.yaml", WRONG))

    assert [problem.place.line for problem in in_object.value.problems] == [7, 9, 10]
    assert [problem.place.line for problem in in_file.value.problems] == [2, 4, 5]
    assert str(in_object.value.problems[1].path) == "data.mesh.outboundTrafficPolicy.mode"
    assert str(in_object.value.problems[1].place) == "ConfigMap istio-system/istio"
    head, field, *_ = str(in_file.value.problems[1]).splitlines()
    assert (head, field.partition(": ")[0].strip()) == (
        "settings.yaml:4: error SM104",
        "outboundTrafficPolicy.mode",
    )


def test_a_field_of_a_provider_that_istio_ignores_is_a_warning() -> None:
    """In the words that fields of other objects have."""
    provider = "{service: a.b.svc.cluster.local, port: 80, clearRouteCache: true}"
    mesh = catalog(f"extensionProviders: [{{name: a, envoyExtAuthzHttp: {provider}}}]")

    (problem,) = mesh_config_problems(mesh)

    assert str(problem.path) == "data.mesh.extensionProviders[0].envoyExtAuthzHttp.clearRouteCache"
    assert "Istio ignores it" in problem.message


def test_settings_of_a_file_take_the_place_of_those_in_the_manifests() -> None:
    """A warning says so."""
    loaded = load_text(
        config_map("outboundTrafficPolicy: {mode: REGISTRY_ONLY}"),
        mesh_config=Text("settings.yaml", "accessLogFile: /dev/stdout"),
    )

    read = build(loaded.resources).mesh_config

    assert (read.outbound_traffic_policy, read.access_log_file) == (OutboundMode.ALLOW_ANY, "/dev/stdout")
    assert [problem.code for problem in loaded.warnings] == ["SM229"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[]", "a list, expected a mapping"),
        ("a: b: c", "not YAML"),
        (config_map(""), "kind ConfigMap"),
        ("trustDomain: -a", '"-a"'),
        ("connectTimeout: 2h", "from 1ms to 1h"),
        ("defaultConfig: {drainDuration: 100ms}", "whole seconds"),
        ("proxyListenPort: 0", "1 to 65535"),
        ("meshMTLS: {ecdhCurves: [P-256]}", "no curves"),
        ("extensionProviders: [{name: a, zipkin: {}, datadog: {}}]", "at most one of"),
    ],
)
def test_what_istio_refuses_is_an_error(settings: str, message: str) -> None:
    """Istio keeps its earlier settings; here nothing is started."""
    with pytest.raises(ManifestError, match=message):
        load_text("", mesh_config=Text("settings.yaml", settings))


def test_registry_only_applies_to_sidecars_without_a_policy_of_their_own() -> None:
    """As `outboundTrafficPolicy` of a Sidecar applies before that of the mesh."""
    registry_only = config_map("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
    allowing = (
        "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: own, namespace: open}\n"
        "spec: {outboundTrafficPolicy: {mode: ALLOW_ANY}}\n"
        "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: own, namespace: narrow}\n"
        "spec: {egress: [{hosts: ['./*']}]}\n"
    )
    mesh = build(load_text(registry_only + "\n" + allowing).resources)

    allowed = {
        namespace: mesh.sidecar_scope(Proxy(ProxyKind.SIDECAR, namespace, "web", "web-1", {})).allows_unknown
        for namespace in ("default", "open", "narrow")
    }

    assert allowed == {"default": False, "open": True, "narrow": False}
