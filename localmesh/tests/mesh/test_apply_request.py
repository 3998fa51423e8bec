"""The body of an apply request: valid ones, and the message for every other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localmesh.errors import InvalidRequestError
from localmesh.manifests import Text
from localmesh.server.apply_request import ApplyRequest


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ({"text": "a: b"}, ApplyRequest(text="a: b")),
        (
            {"text": "a: b", "file": "x.yaml", "merge": True},
            ApplyRequest(text="a: b", file="x.yaml", merge=True),
        ),
        ({"files": ["a"], "strict": True}, ApplyRequest(files=(Path("a"),), strict=True)),
        ({"text": "a: b", "namespace": "shop"}, ApplyRequest(text="a: b", namespace="shop")),
        ({"kustomizations": ["k"]}, ApplyRequest(kustomizations=(Path("k"),))),
        ({"texts": [{"file": "a", "text": "b"}]}, ApplyRequest(texts=(Text("a", "b"),))),
        (
            {"delete": [{"group": "", "kind": "Service", "namespace": "shop", "name": "web"}]},
            ApplyRequest(delete=frozenset({("", "Service", "shop", "web")})),
        ),
    ],
)
def test_a_valid_body_becomes_a_request(body: Any, request_: ApplyRequest) -> None:
    """Fields that are not given have their defaults."""
    assert ApplyRequest.parse(body) == request_


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (["text"], 'found ["text"], which is a list, expected a mapping'),
        ({}, "the request names no manifests: give kustomizations, files, texts, text or meshConfig"),
        ({"text": ""}, "the request names no manifests"),
        ({"text": 5}, "text: found 5, which is a number, expected a string"),
        ({"files": "a.yaml"}, 'files: found "a.yaml", which is a string, expected a list'),
        ({"files": ["a", 1]}, "files[1]: found 1, which is a number, expected a string"),
        ({"text": "a", "merge": "yes"}, 'merge: found "yes", which is a string, expected true or false'),
        ({"texts": [{"file": "a"}]}, 'texts[0]: the field "text" is missing'),
        ({"delete": [{"kind": "Service"}]}, 'delete[0]: the field "group" is missing'),
        ({"delete": [], "text": "a"}, "the request has both text and delete: send two requests"),
        ({"text": "a", "marge": True}, 'marge: "marge" is not a field here; the fields are delete, file'),
    ],
)
def test_a_wrong_field_is_named(body: Any, message: str) -> None:
    """With what was found and what was expected; a misspelt field must not change what a request does."""
    with pytest.raises(InvalidRequestError) as error:
        ApplyRequest.parse(body)

    assert message in str(error.value)


def test_all_wrong_fields_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequestError) as error:
        ApplyRequest.parse({"text": 5, "merge": 1})

    assert str(error.value).count("SM102") == 2


def test_a_request_gives_its_namespace_to_objects_that_name_none() -> None:
    """Whether the manifests come as one text or as the texts of files."""
    service = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}"

    of_text = ApplyRequest(text=service, namespace="shop").load()
    of_files = ApplyRequest(texts=(Text("a.yaml", service),), namespace="shop").load()

    assert [item.namespace for item in (*of_text.resources, *of_files.resources)] == ["shop", "shop"]
