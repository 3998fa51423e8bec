"""The proof of authorization: its pairs of callers and services, and what it asks of the overlay."""

from __future__ import annotations

from loadgen.proofs.authorization import ACCESS_CASES, SERVICES
from loadgen.proofs.common.access import DENIED, check_routes
from loadgen.tests.stand_in_mesh import BASE, manifests, named, resources

OVERLAY = "istio/overlays/authorization"


def test_the_overlay_routes_every_request_to_its_service():
    """Those that must be denied, too: a request that is not routed proves nothing."""
    objects = manifests(*BASE, "k8s/base/frontend.yaml", OVERLAY)

    check_routes(resources(objects), ACCESS_CASES, remedy="")


def test_every_service_has_an_allowed_and_a_denied_caller():
    """Logic's allowed caller comes through webapp."""
    allowed = {
        word for passage in ACCESS_CASES if passage.expected[0] == "2" for word in passage.expected.split()
    }
    forbidden = {passage.service for passage in ACCESS_CASES if passage.expected == DENIED}

    assert {word.strip(",") for word in allowed} >= set(SERVICES)
    assert forbidden == set(SERVICES)


def test_the_impostor_is_webapp_but_for_its_identity():
    """The same program with the same address of logic: only the identity can be why it is denied."""
    objects = manifests(*BASE, OVERLAY)
    webapp, impostor = (
        named(objects, "Deployment", name)["spec"]["template"]["spec"]
        for name in ("webapp-v1", "impostor-v1")
    )
    container, other = webapp["containers"][0], impostor["containers"][0]

    assert impostor["serviceAccountName"] != webapp["serviceAccountName"]
    assert all(other[field] == container[field] for field in ("image", "command", "ports"))
    assert {"name": "LOGIC_URL", "value": "http://logic"} in container["env"]
    assert {"name": "LOGIC_URL", "value": "http://logic"} in other["env"]
