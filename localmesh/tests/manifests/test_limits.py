"""Sizes that are too large to be written out in a case file."""

from localmesh.kinds.rules.traffic_policy import is_prime
from localmesh.manifests import load_text
from localmesh.problems import ManifestError


def _told(text: str) -> list[str]:
    try:
        load_text(text)
    except ManifestError as error:
        return [f"{problem.path} {problem.message}" for problem in error.problems]
    return []


def test_a_config_map_has_room_for_a_mebibyte() -> None:
    """The store of the API server takes no more."""
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: "

    assert _told(f"{head}{'x' * 2**20}}}") == []
    assert _told(f"{head}{'x' * (2**20 + 1)}}}") == [
        " found 1,048,577 bytes of data, expected at most 1,048,576"
    ]


def test_annotations_have_room_for_a_quarter() -> None:
    """Together, keys included."""
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, annotations: {{a: {'x' * 2**18}}}}}\n"

    (told,) = _told(text)

    assert told == "metadata.annotations found 262,145 characters, expected at most 262,144"


def test_a_direct_response_has_room_for_a_mebibyte() -> None:
    """It is held in the configuration of every proxy."""
    text = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
        "spec: {hosts: [a], http: [{directResponse: {status: 200, body: {string: {body}}}}]}\n"
    )

    (told,) = _told(text.replace("{body}", "x" * (2**20 + 1)))

    assert told.startswith("spec.http[0].directResponse.body.string found")


def test_a_huge_table_is_refused_at_once() -> None:
    """Whether a very large number is prime is not asked."""
    text = (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\n"
        "spec: {host: a, trafficPolicy: {loadBalancer: {consistentHash: "
        "{useSourceIp: true, maglev: {tableSize: 4294967291}}}}}\n"
    )

    (told,) = _told(text)

    assert "expected a prime number below 5000011" in told


def test_primes_are_what_envoy_takes_for_them() -> None:
    """It counts 1 among them."""
    assert [number for number in range(20) if is_prime(number)] == [1, 2, 3, 5, 7, 11, 13, 17, 19]
