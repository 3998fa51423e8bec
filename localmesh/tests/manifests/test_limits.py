"""Sizes that are too large for a case file."""

from localmesh.kinds.rules.traffic_policy import is_prime
from localmesh.manifests import load_text
from localmesh.problems import ManifestError


def _messages(text: str) -> list[str]:
    try:
        load_text(text)
    except ManifestError as error:
        return [f"{problem.path} {problem.message}" for problem in error.problems]
    return []


def test_a_config_map_may_have_a_mebibyte() -> None:
    """The API server stores no more."""
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: "

    assert _messages(f"{head}{'x' * 2**20}}}") == []
    assert _messages(f"{head}{'x' * (2**20 + 1)}}}") == [
        " found 1,048,577 bytes of data, expected at most 1,048,576"
    ]


def test_annotations_may_have_a_quarter_of_a_mebibyte() -> None:
    """In total, with their keys."""
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, annotations: {{a: {'x' * 2**18}}}}}\n"

    (message,) = _messages(text)

    assert message == "metadata.annotations found 262,145 characters, expected at most 262,144"


def test_a_direct_response_may_have_a_mebibyte() -> None:
    """Every proxy keeps it in its configuration."""
    text = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
        "spec: {hosts: [a], http: [{directResponse: {status: 200, body: {string: {body}}}}]}\n"
    )

    (message,) = _messages(text.replace("{body}", "x" * (2**20 + 1)))

    assert message.startswith("spec.http[0].directResponse.body.string found")


def test_a_huge_table_is_rejected_at_once() -> None:
    """Without testing whether a very large number is prime."""
    text = (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\n"
        "spec: {host: a, trafficPolicy: {loadBalancer: {consistentHash: "
        "{useSourceIp: true, maglev: {tableSize: 4294967291}}}}}\n"
    )

    (message,) = _messages(text)

    assert "expected a prime number below 5000011" in message


def test_primes_are_those_of_envoy() -> None:
    """Envoy counts 1 as one."""
    assert [number for number in range(20) if is_prime(number)] == [1, 2, 3, 5, 7, 11, 13, 17, 19]
