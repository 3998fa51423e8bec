"""The configuration of every case is encoded as by protobuf's own parser of JSON."""

from __future__ import annotations

import json

import pytest

from localmesh.envoy_messages import messages
from localmesh.envoy_messages.messages import encode
from localmesh.tests.xds.encoded import documents, encoded_by_parser
from localmesh.tests.xds.test_encoding_plans import no_parser
from localmesh.translate import translate
from localmesh.translate.from_manifests import proxies
from tests.conformance.case import cases

pytestmark = pytest.mark.xdist_group("overlays")  # shares the loaded cases


def test_every_case_is_encoded_by_plans_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """All proxies of all cases: the same bytes, without the parser.

    Only what an EnvoyFilter has changed may need it: its values have any of the forms of protobuf's JSON.
    """
    distinct, patched = {}, {}
    for case in cases():
        resources = case.resources()
        found = patched if any(item.kind == "EnvoyFilter" for item in resources) else distinct
        catalog, known = proxies(resources)
        for proxy in known:
            for type_url, document in documents(translate(catalog, proxy)):
                found[type_url, json.dumps(document)] = document
    expected = [encoded_by_parser(type_url, document) for (type_url, _), document in distinct.items()]
    assert [encode(type_url, document) for (type_url, _), document in patched.items()] == [
        encoded_by_parser(type_url, document) for (type_url, _), document in patched.items()
    ]
    monkeypatch.setattr(messages, "parsed", no_parser)

    assert [encode(type_url, document) for (type_url, _), document in distinct.items()] == expected
