"""The JSON form of explanations is what its schema says."""

from __future__ import annotations

import io
import json
import shlex
from contextlib import redirect_stdout
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from localmesh.cli.commands import run
from localmesh.explain import Explainer, Request
from localmesh.explain.document import document
from localmesh.explain.text import text
from localmesh.manifests import Text, load, load_texts
from localmesh.manifests.loading import Locator
from localmesh.tests.explain.broken_cases import CASES, FOLDER, head

SCHEMA = json.loads((files("localmesh.explain") / "explanation.schema.json").read_text())


VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


FILTER = """\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: limit, namespace: shop}
spec:
  workloadSelector: {labels: {app: web}}
  configPatches:
    - applyTo: HTTP_FILTER
      match: {context: SIDECAR_INBOUND}
      patch:
        operation: INSERT_BEFORE
        value:
          name: limit
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
            stat_prefix: limit
"""


@cache
def described(case: Path) -> dict[str, Any]:
    output = io.StringIO()
    files = ("-f", str(FOLDER / "_shop.yaml"), "-f", str(case))
    with redirect_stdout(output):
        status = run(["explain", *shlex.split(head(case, "explain")), *files, "-o", "json"])
    assert status == 0
    return dict(json.loads(output.getvalue()))


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_a_document_is_valid(case: Path) -> None:
    """Every field is described, and none is missing."""
    VALIDATOR.validate(described(case))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("width", [20, 60, 100, 200])
def test_lines_are_as_wide_as_the_terminal(width: int) -> None:
    """Only a line with one long word, such as the path of a file, is wider."""
    lines = text(described(FOLDER / "sidecar_hides_host.yaml"), width).splitlines()

    wide = [line for line in lines if len(line) > max(width, 40)]
    assert [line for line in wide if len(line.split()) > 2] == []


def test_a_narrow_terminal_gets_labels_of_their_own_width() -> None:
    """Below 70 columns there is no column of labels."""
    shown = described(FOLDER / "sidecar_hides_host.yaml")

    assert "\nresult: 502 from client's sidecar; " in text(shown, 60)
    assert "\nresult     502 from client's sidecar; " in text(shown, 70)


def test_a_delay_is_part_of_the_result() -> None:
    """It happens before the outcome, and has odds."""
    manifests = load(files=[FOLDER.parent / "reasons.yaml"])
    explainer = Explainer.of(manifests.resources)
    explanation = explainer.explain(Request.to("http://web/x", source="client"))

    lines = text(document(explainer, explanation, lambda _resource, _path: None)).splitlines()

    assert "           50 % of the requests are delayed by 1s before that" in lines


def test_outcomes_add_up_to_all_requests() -> None:
    for case in CASES:
        total = sum(outcome["percent"] for outcome in described(case)["outcomes"])
        assert total == pytest.approx(100)


def test_envoy_filters_are_named_where_they_apply() -> None:
    """With the place of each patch; at other proxies, and for other kinds of traffic, there are none."""
    loaded = load_texts([Text("shop.yaml", (FOLDER / "_shop.yaml").read_text()), Text("filter.yaml", FILTER)])
    explainer = Explainer.of(loaded.resources)
    explanation = explainer.explain(Request.to("http://web.shop/", source="client.shop"))

    written = document(explainer, explanation, Locator(loaded).place)

    patches = {hop["kind"]: hop["envoyFilters"] for hop in written["hops"]}
    (patch,) = patches["inbound"]
    assert patches["outbound"] == []
    assert (patch["operation"], patch["name"]) == ("INSERT_BEFORE", "limit")
    assert (patch["place"]["object"], patch["place"]["line"]) == ("EnvoyFilter shop/limit", 7)
    assert "changed    by EnvoyFilter shop/limit: INSERT_BEFORE HTTP_FILTER limit" in text(written)
