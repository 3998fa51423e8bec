"""Gateways that no gateway serves, and ports that callers cannot reach."""

from __future__ import annotations

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load_text
from localmesh.problems import ManifestError
from localmesh.tests.catalog.test_gateways import deployment, gateway, service

FRONT = deployment("front", "app: front", ports="{containerPort: 8081, name: web}")
IN_FRONT = service("front", "app: front", "{name: http, port: 80, targetPort: web}, {name: more, port: 90}")


def warnings(*manifests: str) -> list[str]:
    """Code, field and message of each warning about these manifests."""
    found = analyze_manifests(load_text("".join(manifests)))
    return [f"{warning.code} {warning.path}: {warning.message}" for warning in found]


@pytest.mark.parametrize(
    "manifests",
    [
        gateway("a", "istio: ingressgateway"),
        gateway("a", "istio: ingressgateway", 8080),  # the target port itself, as in bookinfo
        gateway("a", "istio: egressgateway", 443),
        gateway("a", ""),
        gateway("a", "app: front") + FRONT + IN_FRONT,
        gateway("a", "app: front", 8081) + FRONT + IN_FRONT,
        gateway("a", "app: front", 90) + FRONT + IN_FRONT,
        gateway("a", "app: front", 7000) + FRONT,  # no Service at all: it is called at its pods
    ],
)
def test_a_gateway_that_callers_can_reach_is_nothing_to_warn_of(manifests: str) -> None:
    """By a port of the Service or by the target port, of Istio's gateways or another."""
    assert warnings(manifests) == []


def test_a_selector_without_gateway_names_the_nearest() -> None:
    """Of all gateways that there are, with the labels that nearly fit."""
    (warning,) = warnings(gateway("a", "app: fronts"), FRONT)

    assert warning == (
        "SM223 spec.selector: no gateway has the labels app=fronts, so nothing serves this Gateway; "
        "nearest is the gateway front with app=front"
    )


def test_labels_of_an_application_do_not_make_it_a_gateway() -> None:
    """Its pods have the labels, and no Envoy that listens for Gateways."""
    application = deployment("front", "app: front", annotations="")

    assert [warning.split()[0] for warning in warnings(gateway("a", "app: front"), application)] == ["SM223"]


@pytest.mark.parametrize(
    ("number", "effect"),
    [
        (15029, "on a cluster it cannot be called from outside"),
        (81, "the gateway cannot listen on ports below 1024, so nothing serves it"),
    ],
)
def test_a_port_that_the_service_does_not_have_is_told(number: int, effect: str) -> None:
    """With what comes of it, which differs for ports below 1024."""
    (warning,) = warnings(gateway("a", "istio: ingressgateway", number))

    assert warning == (
        f"SM224 spec.servers[0].port.number: {number} is not a port of Service "
        f"istio-system/istio-ingressgateway, which has 15021, 80 and 443; {effect}"
    )


def test_a_further_container_of_a_gateway_is_refused() -> None:
    """It would not run here."""
    two = FRONT.replace("containers: [", "containers: [{name: helper, image: helper}, ")

    with pytest.raises(ManifestError, match=r"spec.template.spec.containers\[0\]: not supported") as error:
        load_text(two)

    assert "only its Envoy runs here" in str(error.value)
