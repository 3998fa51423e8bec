"""docker-compose.yml runs the same pods as the manifests, in the same way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localmesh.catalog import build
from localmesh.catalog.container import Container, FieldReference
from localmesh.catalog.workload import Workload
from localmesh.runtime.external.inventory import GatewayEntry, PodEntry
from tests.compose_file import (
    OVERLAYS,
    PLACES,
    SCENARIOS,
    VARIABLE,
    applications,
    composed,
    filled,
    has_sidecar,
    names,
    places_of,
    resources,
    workloads,
)
from tests.live import ROOT

PROXY = "http://127.0.0.1:15001"
WITHOUT_PROXY = "127.0.0.1,localhost,jaeger"
FOR_THE_SIDECAR = {
    "HTTP_PROXY": PROXY,
    "http_proxy": PROXY,
    "NO_PROXY": WITHOUT_PROXY,
    "no_proxy": WITHOUT_PROXY,
}
"""The variables that localmesh would add to those of the manifest."""
FOR_THE_PAGE = {"LOCALMESH_URL": "http://127.0.0.1:${API_PORT:-7080}"}
"""As with localmesh, the page links to the live page."""
FOR_SPANS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "${OTEL_EXPORTER_OTLP_ENDPOINT:-}"}
HEALTH = ROOT / "compose" / "health.py"
WITH_SIDECAR = [place for place in PLACES.pods if has_sidecar(place)]
WITHOUT_SIDECAR = [place for place in PLACES.pods if not has_sidecar(place)]


def environment(container: Container, place: PodEntry) -> dict[str, str]:
    """The environment of a container according to its Deployment, in this pod."""
    values = {}
    for variable in container.variables:
        name_of_pod = variable.source == FieldReference("metadata.name")
        assert name_of_pod or variable.source is None, f"{variable.name} has an unsupported source"
        values[variable.name] = place.name if name_of_pod else variable.value
    return values


@pytest.mark.parametrize("folder", SCENARIOS, ids=[path.name for path in SCENARIOS])
def test_every_pod_of_a_scenario_has_a_container_that_matches_its_deployment(folder: Path) -> None:
    """Image, command and environment are the Deployment's, plus the variables for proxy, spans and page."""
    for wanted in workloads(folder):
        places = places_of(wanted)
        assert len(places) >= wanted.replicas, (
            f"compose/pods.yaml has {len(places)} of the {wanted.replicas} pods of {wanted.name}: "
            f"add them, and their containers to docker-compose.yml {_profiles(wanted, folder)}"
        )
        for place in places:
            added = FOR_SPANS | FOR_THE_SIDECAR if has_sidecar(place) else FOR_SPANS
            for container, service in zip(wanted.containers, applications(place), strict=True):
                assert service["image"] == container.image
                assert tuple(service["command"]) == container.command
                if wanted.labels["app"] == "frontend":
                    added = added | FOR_THE_PAGE
                assert service["environment"] == environment(container, place) | added


def _profiles(wanted: Workload, folder: Path) -> str:
    """Which profiles the containers of a Deployment need: none if it is in the base."""
    if wanted.name in {each.name for each in workloads(ROOT / "istio" / "base")}:
        return "without `profiles`"
    return f"with `profiles: [{folder.name}]`"


@pytest.mark.parametrize("folder", SCENARIOS, ids=[path.name for path in SCENARIOS])
def test_a_pod_has_a_sidecar_where_istio_injects_one(folder: Path) -> None:
    """According to the Namespace and the labels of the pod."""
    is_injected = build(resources(folder)).is_injected

    for wanted in workloads(folder):
        assert {has_sidecar(place) for place in places_of(wanted)} == {is_injected(wanted)}, (
            f"{wanted.name} must be in compose/pods.yaml, "
            f"{'with' if is_injected(wanted) else 'without'} a proxy in docker-compose.yml"
        )


@pytest.mark.parametrize("folder", SCENARIOS, ids=[path.name for path in SCENARIOS])
def test_every_mount_of_a_container_exists_in_compose(folder: Path) -> None:
    """The same folders are writable; the root file system is read-only in both."""
    for wanted in workloads(folder):
        for place in places_of(wanted):
            for container, service in zip(wanted.containers, applications(place), strict=True):
                mounted = {*service["tmpfs"], *(volume.split(":")[1] for volume in service["volumes"])}

                assert {mount.path for mount in container.mounts} <= mounted


def test_pods_that_only_some_scenarios_have_are_in_profiles_with_their_names() -> None:
    """The pods of the base always run; the others if the profile of their scenario is active."""
    base = names(ROOT / "istio" / "base")
    wanted = {
        place.name: [overlay.name for overlay in OVERLAYS if place.name in names(overlay)]
        for place in PLACES.pods
    }

    for place in PLACES.pods:
        expected = None if place.name in base else wanted[place.name]
        assert [service.get("profiles") for service in applications(place)] == [expected] * len(
            applications(place)
        )
    assert all(wanted.values())


@pytest.mark.parametrize("place", WITH_SIDECAR, ids=[place.name for place in WITH_SIDECAR])
def test_an_application_shares_the_network_of_its_sidecar(place: PodEntry) -> None:
    """The sidecar's container has the pod's network, with the host name of compose/pods.yaml."""
    (network,) = {service["network_mode"] for service in applications(place)}
    kind, _, name = network.partition(":")
    sidecar = composed()[name]

    assert kind == "service"
    assert sidecar["command"] == ["sidecar", f"{place.name}.{place.namespace}", "--listen", "0.0.0.0"]
    assert sidecar["networks"] == {"mesh": {"aliases": [place.host]}}
    assert sidecar.get("profiles") == applications(place)[0].get("profiles")
    assert "ports" not in sidecar


@pytest.mark.parametrize("place", WITHOUT_SIDECAR, ids=[place.name for place in WITHOUT_SIDECAR])
def test_a_pod_without_a_sidecar_has_its_own_network(place: PodEntry) -> None:
    """It has the host name of compose/pods.yaml, too."""
    (service,) = applications(place)

    assert service["networks"] == {"mesh": {"aliases": [place.host]}}
    assert "network_mode" not in service


@pytest.mark.parametrize("place", PLACES.pods, ids=[place.name for place in PLACES.pods])
def test_the_containers_of_a_pod_write_to_its_log(place: PodEntry) -> None:
    """All of them append to one file, on a volume that they share with localmesh."""
    for service in applications(place):
        written = service["entrypoint"][2].replace("$$POD_NAME", service["environment"]["POD_NAME"])

        assert f'tee --append "{place.log}"' in written
        assert "pod-logs:/var/log/pods" in service["volumes"]


@pytest.mark.parametrize("gateway", PLACES.gateways, ids=[gateway.name for gateway in PLACES.gateways])
def test_a_gateway_has_the_host_name_of_its_container(gateway: GatewayEntry) -> None:
    """The ingress gateway is published, and only on the loopback interface."""
    service = composed()[gateway.host]
    is_ingress = gateway == PLACES.gateways[0]

    assert service["command"] == ["sidecar", gateway.name, "--gateway", "--listen", "0.0.0.0"]
    published = ["127.0.0.1:8080:8080", "127.0.0.1:8443:8443"] if is_ingress else []
    assert [filled(port) for port in service.get("ports", ())] == published


def test_proxies_start_after_the_control_plane_has_its_manifests() -> None:
    """An unknown scenario ends `up` with one error, without the warnings of seven Envoys."""
    proxies = [service for service in composed().values() if (service.get("command") or [""])[0] == "sidecar"]

    assert len(proxies) == len(WITH_SIDECAR) + len(PLACES.gateways)
    for service in proxies:
        assert service["depends_on"] == {"localmesh": {"condition": "service_healthy"}}
    assert _health_check_arguments(composed()["localmesh"]) == ["manifests", "http://127.0.0.1:7080"]
    assert _health_check_arguments(composed()[PLACES.gateways[0].host]) == ["mesh", "http://localmesh:7080"]


@pytest.mark.parametrize(
    ("mesh", "with_manifests", "ready"),
    [
        ({"pods": [], "ready": True}, 1, 0),
        ({"pods": [{"name": "a"}], "ready": False}, 0, 1),
        ({"pods": [{"name": "a"}], "ready": True}, 0, 0),
    ],
    ids=["without manifests", "before it is ready", "ready"],
)
def test_health_follows_the_api(mesh: dict[str, Any], with_manifests: int, ready: int) -> None:
    """The control plane is healthy once it has manifests, the gateway once the whole mesh is ready."""
    with _answering(json.dumps(mesh).encode()) as url:
        statuses = [
            subprocess.run([sys.executable, "-I", "-S", HEALTH, check, url], check=False).returncode
            for check in ("manifests", "mesh")
        ]

    assert statuses == [with_manifests, ready]


def test_messages_contain_the_published_addresses() -> None:
    """Messages name the ports on this machine, also if they were changed, not those in the containers."""
    announced = composed()["localmesh"]["environment"]
    urls = [announced[f"LOCALMESH_{name}_URL"] for name in ("GATEWAY", "GATEWAY_HTTPS", "API")]

    published = [
        port.rpartition(":")[0]
        for service in ("istio-ingressgateway-0", "localmesh")
        for port in composed()[service]["ports"]
    ]

    assert [url.partition("://")[2] for url in urls] == published
    assert [url.partition("://")[0] for url in urls] == ["http", "https", "http"]


def test_ports_are_published_only_on_the_loopback_interface() -> None:
    """Other machines cannot reach the gateway, the API or a dashboard."""
    published = [filled(port) for service in composed().values() for port in service.get("ports") or ()]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_container_of_the_project_is_hardened() -> None:
    """No root, no capabilities, a read-only root file system: as in the Deployments."""
    own = [service for service in composed().values() if service["image"].startswith("sentimesh/")]

    for service in own:
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_images_are_the_projects_own_or_pinned() -> None:
    """An image that is not built from a Dockerfile of the project has a version as its tag."""
    for name, service in composed().items():
        if service["image"].startswith("sentimesh/"):
            assert (ROOT / service["build"]["dockerfile"]).is_file(), name
        else:
            assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name


def test_a_scenario_is_chosen_by_name() -> None:
    """The default is the base."""
    command = composed()["localmesh"]["command"]
    (folder,) = (word.partition("=")[2] for word in command if word.startswith("--kustomize="))

    assert (ROOT / filled(folder)).resolve() == ROOT / "istio" / "base"
    assert (ROOT / VARIABLE.sub("canary", folder)).resolve() == ROOT / "istio" / "overlays" / "canary"


def _health_check_arguments(service: Mapping[str, Any]) -> list[str]:
    kind, python, script, *arguments = service["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")
    assert ROOT / script == HEALTH
    assert "./compose:/app/compose:ro" in service["volumes"]
    return arguments


@contextmanager
def _answering(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/mesh" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
