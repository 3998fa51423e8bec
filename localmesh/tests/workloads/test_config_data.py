"""What ConfigMaps and Secrets hold."""

import pytest

from localmesh.catalog.config_data import config_data
from localmesh.manifests import Resource
from localmesh.problems import ManifestError, Place


def resource(kind: str, **body: dict[str, str]) -> Resource:
    return Resource("v1", kind, "demo", "x", {}, {}, body, Place("x.yaml", kind, "demo", "x"), 0)


def test_text_and_binary_data_are_merged() -> None:
    """A ConfigMap's data is text and its binaryData base64; in a Secret stringData wins over data."""
    data = config_data(
        [
            resource("ConfigMap", data={"a": "text"}, binaryData={"b": "AAE="}),
            resource("Secret", data={"a": "b2xk", "b": "eA=="}, stringData={"a": "new"}),
            resource("Service", data={"a": "ignored"}),
        ]
    )

    assert data.of("ConfigMap", "demo", "x") == {"a": b"text", "b": b"\x00\x01"}
    assert data.of("Secret", "demo", "x") == {"a": b"new", "b": b"x"}
    assert data.of("Secret", "other", "x") is None


def test_bad_base64_names_its_key() -> None:
    """What is not base64 is reported with its path."""
    with pytest.raises(ManifestError) as caught:
        config_data([resource("Secret", data={"a": "not base64!"})])

    assert [str(problem.path) for problem in caught.value.problems] == ["data.a"]
