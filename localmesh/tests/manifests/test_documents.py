"""YAML is read as strictly as kubectl reads it."""

import pytest

from localmesh.manifests.documents import DEEPEST, Reading, read_text


def _bodies(text: str) -> list[object]:
    return [document.body for document in read_text(text, "a.yaml").documents]


def _messages(reading: Reading) -> list[str]:
    return [f"{problem.place.line} {problem.code} {problem.message}" for problem in reading.problems]


def test_documents_have_the_line_on_which_they_start() -> None:
    """Comments and empty documents are not counted as documents."""
    reading = read_text("# note\na: 1\n---\n---\n# more\n\nb: 2\n", "a.yaml")

    assert [(document.body, document.line) for document in reading.documents] == [
        ({"a": 1}, 2),
        ({"b": 2}, 7),
    ]


def test_json_is_yaml() -> None:
    """Quoted scalars are strings."""
    assert _bodies('{"a": ["1", 2, true, null]}') == [{"a": ["1", 2, True, None]}]


def test_keys_become_strings() -> None:
    """Numbers and booleans as keys keep their spelling."""
    assert _bodies("{1: a, yes: b, 1.5: c}") == [{"1": "a", "true": "b", "1.5": "c"}]


def test_aliases_and_merges_are_resolved() -> None:
    """Explicit keys take precedence over merged ones."""
    text = "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nlist: [*base]\n"

    assert _bodies(text) == [{"base": {"a": 1, "b": 2}, "more": {"b": 3, "a": 1}, "list": [{"a": 1, "b": 2}]}]


def test_yaml_tags_are_respected() -> None:
    """An explicit type has the effect of quotes."""
    assert _bodies("[!!str 1, !!int '2', !!float '3.5', ! 4]") == [["1", 2, 3.5, "4"]]


def test_a_character_as_two_escapes_of_json_is_one_character() -> None:
    """As JSON writes those beyond 16 bits; other escapes, and YAML that is not JSON, stay as they are."""
    escaped = "\\ud83d\\ude00"

    assert _bodies(f'{{"note": "{escaped}", "other": "\\u00e9"}}') == [{"note": "\U0001f600", "other": "é"}]
    assert _bodies(f"note: '{escaped}'") == [{"note": escaped}]


def test_byte_order_marks_between_documents_have_no_meaning() -> None:
    """They are left where files were put together."""
    assert _bodies("a: 1\n\ufeff---\nb: 2\n\ufeffc: 3\n") == [{"a": 1}, {"b": 2, "c": 3}]


def test_documents_with_a_null_are_marked() -> None:
    """Nulls are removed later, only from these."""
    documents = read_text("a: 1\n---\nb:\n", "a.yaml").documents

    assert [document.has_null for document in documents] == [False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", '2 SM003 the key "a" occurs twice'),
        ("a: {b: 1,\n b: 2}\n", '2 SM003 the key "b" occurs twice'),
        ("a: [1\n", "1 SM002 not YAML: did not find expected ',' or ']'"),
        ("[a]: 1\n", "1 SM002 not YAML: a key must be a scalar"),
        ("null: 1\n", "1 SM002 not YAML: a key must not be null"),
        ("a: *b\n", "1 SM002 not YAML: the alias refers to &b, which is not defined yet"),
        ("a: &a [*a]\n", "1 SM002 not YAML: the alias refers to &a, which is not defined yet"),
        ("a: !!int x\n", "1 SM002 not YAML: the tag !!int does not match 'x'"),
        ("a: !thing x\n", "1 SM002 not YAML: the tag !thing does not match 'x'"),
        ("a: {<<: 1}\n", "1 SM002 not YAML: << merges mappings only"),
        ("a: \x07\n", "None SM002 not YAML: control characters are not allowed"),
        ("a: \ud800\n", "None SM002 not YAML: surrogates not allowed"),
    ],
)
def test_what_kubectl_rejects_is_reported_with_its_line(text: str, expected: str) -> None:
    """One problem for one mistake."""
    (message,) = _messages(read_text(text, "a.yaml"))

    assert message.startswith(expected)


def test_documents_before_a_broken_one_are_still_read() -> None:
    """So that their problems are reported in the same run."""
    reading = read_text("a: 1\n---\nb: [\n", "a.yaml")

    assert [document.body for document in reading.documents] == [{"a": 1}]
    assert len(reading.problems) == 1


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_rejected_without_a_crash(opening: str) -> None:
    """The recursion of the parser would end the process."""
    (message,) = _messages(read_text(opening * 100_000, "a.yaml"))

    assert f"nested deeper than {DEEPEST} levels" in message


def test_aliases_that_multiply_are_rejected() -> None:
    """A few lines could otherwise exhaust the memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    (message,) = _messages(read_text("\n".join(lines), "a.yaml"))

    assert "aliases expand to more than 1,000,000 values" in message
