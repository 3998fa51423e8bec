"""`localmesh serve` and `localmesh sidecar`: real Envoys and applications that localmesh has not started."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from localmesh.tests.external.external_shop import Shop, poll_until, shop
from localmesh.tests.mesh.shop import BASE, V1, V2, routed

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("served")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A whole shop, its parts started in no helpful order."""
    with shop(tmp_path_factory.mktemp("served")) as mesh:
        mesh.sidecars()
        mesh.application("v1")
        mesh.serve()
        mesh.application("v2")
        mesh.until_ready()
        yield mesh


def test_requests_go_where_the_manifests_say(running: Shop) -> None:
    """All to v1 as in the manifests that it was started with."""
    assert running.answers(20) == {"v1": 20}


def test_it_announces_the_addresses_that_it_was_given(running: Shop) -> None:
    """The given URLs of gateway and API are printed instead of their own addresses."""
    log = (running.folder / "serve.log").read_text()

    assert re.search(r"application +http://gateway\.example/\n", log)
    assert re.search(r"istio-ingressgateway +http://gateway\.example\n", log)
    assert re.search(r"API +http://api\.example\n", log)


def test_the_live_page_has_the_numbers_of_proxies_elsewhere(running: Shop) -> None:
    """Their sidecars answer for their Envoys' statistics."""
    edge = "istio-system/istio-ingressgateway > shop/web-v1"
    with urllib.request.urlopen(f"{running.api}/mesh/live", timeout=30) as events:
        frames = (json.loads(line[6:]) for line in events if line.startswith(b'data: {"time"'))
        next(frames)

        running.answers(20)

        seen = next(frame["edges"][edge] for frame in islice(frames, 10) if edge in frame["edges"])

    assert seen["codes"].keys() == {"200"}
    assert seen["rate"] > 0


def test_apply_from_elsewhere_changes_the_routes(running: Shop) -> None:
    """Files are read where the command runs, which need not be where the mesh runs."""
    (running.folder / "elsewhere").mkdir(exist_ok=True)
    (running.folder / "elsewhere" / "route.yaml").write_text(routed(v2=1))

    finished = running.run("apply", "-f", "route.yaml")

    assert (finished.returncode, finished.stdout.splitlines()[0]) == (0, "changed  VirtualService shop/web")
    assert "acknowledged by all 3 proxies" in finished.stdout
    assert running.answers(20) == {"v2": 20}


def test_apply_k_from_elsewhere_is_built_there(running: Shop) -> None:
    """The mesh does not have the folder of the kustomization."""
    finished = running.become(BASE + V1 + V2 + routed(v1=1))

    assert finished.returncode == 0, finished.stderr
    assert running.answers(20) == {"v1": 20}


def test_bad_manifests_from_elsewhere_name_the_file(running: Shop) -> None:
    """Exit status 2, with the file as the command was given it."""
    (running.folder / "elsewhere").mkdir(exist_ok=True)
    (running.folder / "elsewhere" / "bad.yaml").write_text(routed(v1=-5))

    finished = running.run("apply", "-f", "bad.yaml")

    assert finished.returncode == 2
    assert "bad.yaml" in finished.stderr
    assert "spec.http[0].route[0].weight" in finished.stderr


def test_more_replicas_than_entries_are_refused(running: Shop) -> None:
    """With the entries that there are; nothing changes."""
    before = running.status()["generation"]
    (running.folder / "elsewhere").mkdir(exist_ok=True)
    two = V1.replace("selector:", "replicas: 2\n  selector:", 1)
    (running.folder / "elsewhere" / "two.yaml").write_text(two)

    finished = running.run("apply", "-f", "two.yaml")

    assert finished.returncode == 1
    assert "Deployment shop/web-v1 has 2 replicas" in finished.stderr
    assert "contains 1 of them (web-v1-0)" in finished.stderr
    assert running.status()["generation"] == before


def test_another_environment_is_refused(running: Shop) -> None:
    """A container that runs would not change with its manifest: no manifest may claim that it does."""
    (running.folder / "elsewhere").mkdir(exist_ok=True)
    changed = V1.replace("containerPort: 8080}]", "containerPort: 8080}], env: [{name: A, value: b}]")
    (running.folder / "elsewhere" / "changed.yaml").write_text(changed)

    finished = running.run("apply", "-f", "changed.yaml")

    assert finished.returncode == 1
    assert "the containers of Deployment shop/web-v1 have changed" in finished.stderr


def test_the_api_tells_of_pods_as_for_any_mesh(running: Shop) -> None:
    """Names, readiness, a port through the API, and the log where the file of places has one."""
    pods = f"{running.api}/api/v1/namespaces/shop/pods"
    listed = json.loads(running.get(pods))["items"]

    through = json.loads(running.get(f"{pods}/web-v1-0:8080/proxy/hello"))

    assert [pod["metadata"]["name"] for pod in listed] == ["web-v1-0", "web-v2-0"]
    assert [pod["status"]["podIP"] for pod in listed] == ["127.0.0.1"] * 2
    assert (through["pod"], through["path"]) == ("web-v1-0", "/hello")
    assert running.get(f"{pods}/web-v1-0/log") == (running.folder / "web-v1.log").read_text()


def test_a_log_that_the_mesh_does_not_keep_is_an_error(running: Shop) -> None:
    """Through the API and on the command line."""
    finished = running.run("logs", "web-v2")
    status, message = running.refusal(f"{running.api}/api/v1/namespaces/shop/pods/web-v2-0/log")

    assert finished.returncode == 2
    assert "the log of web-v2 is not kept by the mesh" in finished.stderr
    assert status == 404
    assert "the log of pod web-v2-0 is not kept by the mesh" in message


def test_a_sidecar_says_whether_it_is_ready_and_what_it_counts(running: Shop) -> None:
    """On its own port, as Istio's sidecar does."""
    health = f"http://127.0.0.1:{running.places['v1']['health']}"

    assert running.get(f"{health}/healthz/ready") == "LIVE\n"
    assert "envoy_server_live" in running.get(f"{health}/stats/prometheus")


def test_a_gateway_counts_for_each_cluster(running: Shop) -> None:
    """With the name of the cluster and the class of the status as labels, as a dashboard asks for them."""
    running.answers(1)

    counted = running.get(f"http://127.0.0.1:{running.gateway_health}/stats/prometheus")

    cluster = 'envoy_cluster_name="outbound|80|v1|web.shop.svc.cluster.local"'
    nonzero = [line for line in counted.splitlines() if cluster in line and not line.endswith(" 0")]
    assert any(line.startswith("envoy_cluster_upstream_rq_completed{") for line in nonzero)
    assert any(
        line.startswith("envoy_cluster_upstream_rq_xx{") and 'envoy_response_code_class="2"' in line
        for line in nonzero
    )


def test_endpoints_follow_an_application_that_goes_and_comes(tmp_path: Path) -> None:
    """Without its only pod a version answers 503; when it is back, it is found again."""
    with shop(tmp_path) as mesh:
        mesh.serve()
        mesh.sidecars()
        mesh.application("v2")
        first = mesh.application("v1")
        mesh.until_ready()
        assert mesh.answers(1) == {"v1": 1}

        first.terminate()
        first.wait()
        poll_until(lambda: not mesh.status()["ready"], "the mesh to miss it")
        without = mesh.answers(1)
        mesh.application("v1")
        mesh.until_ready()

        assert without == {"503": 1}
        assert mesh.answers(5) == {"v1": 5}


def test_a_pod_that_is_wanted_again_is_taken_in_again(running: Shop) -> None:
    """While it was not wanted its application and its sidecar ran on."""
    running.become(BASE + V1 + V2 + routed(v1=1))
    running.until_ready()

    without = running.become(BASE + V1 + routed(v1=1))
    again = running.become(BASE + V1 + V2 + routed(v2=1))
    running.until_ready()

    assert "removed  Deployment shop/web-v2" in without.stdout
    assert "added    Deployment shop/web-v2" in again.stdout
    assert running.answers(5) == {"v2": 5}


def test_a_restarted_control_plane_takes_over(running: Shop) -> None:
    """Meanwhile requests go on; afterwards proxies have what the new one says, with its certificates."""
    running.become(BASE + V1 + V2 + routed(v1=1))
    running.until_ready()
    assert running.control_plane is not None

    running.control_plane.terminate()
    running.control_plane.wait()
    meanwhile = running.answers(5)
    (running.folder / "mesh.yaml").write_text(BASE + V1 + V2 + routed(v2=1))
    running.serve()
    running.until_ready()

    assert meanwhile == {"v1": 5}
    assert running.answers(5) == {"v2": 5}
