"""What RequestAuthentications must not contain, although Istio accepts it."""

from __future__ import annotations

import json

import pytest

from localmesh.manifests import load_text
from localmesh.problems import ManifestError


@pytest.mark.parametrize("name", ["\0", "a\nb", "a\rb"])
def test_a_header_for_the_payload_has_no_characters_that_envoy_rejects(name: str) -> None:
    """Envoy would reject the whole configuration of the filter."""
    rule = {"issuer": "a", "jwksUri": "https://a.example/keys", "outputPayloadToHeader": name}
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "a"},
        "spec": {"jwtRules": [rule]},
    }

    with pytest.raises(ManifestError, match="expected a header name"):
        load_text(json.dumps(policy))
