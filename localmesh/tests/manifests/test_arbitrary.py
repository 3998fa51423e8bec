"""Any input yields problems or resources, never a traceback."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localmesh.kinds import KINDS as ALL_KINDS
from localmesh.manifests import LoadResult, load_text
from localmesh.problems import ManifestError
from localmesh.tests.manifests.case_files import cases

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

WORDS = st.sampled_from(
    ["", "*", "a", "A b", "v1", "http", "80", "1s", "-1", "a.b/c", "*.com", "%", "(", "\n", "é", "{}", "[]"]
)
FIELDS = """
spec metadata name namespace labels http route match destination host subset weight ports port hosts gateways
servers number protocol selector template containers trafficPolicy subsets uri headers retries attempts
retryOn timeout fault abort delay percentage value data items
"""
KEYS = st.one_of(WORDS, st.sampled_from(FIELDS.split()))
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=4)),
    max_leaves=12,
)
KINDS = st.sampled_from(
    [(version, kind.name) for kind in ALL_KINDS.values() for version in kind.api_versions]
)


def _outcome(text: str) -> LoadResult | ManifestError:
    """What a user would see; any other exception is a bug."""
    try:
        return load_text(text)
    except ManifestError as error:
        problems = error
    assert str(problems)
    return problems


@QUICK
@given(st.text())
def test_any_text_yields_a_result(text: str) -> None:
    """Even if it is not YAML."""
    assert isinstance(_outcome(text), LoadResult | ManifestError)


@QUICK
@given(VALUES)
def test_any_value_yields_a_result(value: Any) -> None:
    """Numbers, lists, mappings without a kind."""
    assert isinstance(_outcome(json.dumps(value)), LoadResult | ManifestError)


@QUICK
@given(KINDS, VALUES, VALUES, st.dictionaries(KEYS, VALUES, max_size=2))
def test_any_object_of_a_known_kind_yields_a_result(
    kind: tuple[str, str], metadata: Any, spec: Any, more: dict[str, Any]
) -> None:
    """With arbitrary metadata and spec."""
    body = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec, **more}

    assert isinstance(_outcome(json.dumps(body)), LoadResult | ManifestError)


def _spots(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, item in inner for spot in _spots(item, (*path, key)))]


def _replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


@QUICK
@given(st.data())
def test_a_case_with_one_value_replaced_yields_a_result(data: st.DataObject) -> None:
    """Close to real manifests, so that nested rules see wrong types."""
    import yaml

    case = data.draw(st.sampled_from([case for case in cases() if "sm00" not in case.path.stem]))
    try:
        documents = list(yaml.safe_load_all(case.text))
    except yaml.YAMLError:
        return
    spot = data.draw(st.sampled_from(_spots(documents)))
    changed = _replaced(documents, spot, data.draw(VALUES))

    text = "\n---\n".join(map(json.dumps, changed)) if isinstance(changed, list) else json.dumps(changed)
    assert isinstance(_outcome(text), LoadResult | ManifestError)
