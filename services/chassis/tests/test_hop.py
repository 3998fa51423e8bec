"""The `served-by` header names every hop, outermost first, and accepts only valid elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.hop import MAX_HOPS, Hop, attempt, elements, served_by

OWN = Hop("webapp", "v1", "webapp-v1-7d4f")


def test_a_hop_without_a_proxy_has_no_attempt():
    """The element consists of service, version and pod."""
    assert served_by(OWN) == "webapp/v1/webapp-v1-7d4f"


def test_hops_are_listed_outermost_first():
    """Our element, then those of the upstream."""
    upstream = elements("logic/v2/logic-v2-55f9;attempt=2")

    assert served_by(OWN, upstream) == "webapp/v1/webapp-v1-7d4f, logic/v2/logic-v2-55f9;attempt=2"


@pytest.mark.parametrize(("text", "counted"), [("1", 1), ("2", 2), ("007", 7), ("999999999", 999999999)])
def test_an_attempt_is_what_the_proxy_counted(text, counted):
    """Whole numbers from 1."""
    assert attempt(text) == counted


@pytest.mark.parametrize("text", [None, "", "0", "-1", "1.5", "two", "1,2", "²", "1" * 5000])
def test_an_invalid_count_is_no_attempt(text):
    """A header that is absent, malformed or sent twice is ignored."""
    assert attempt(text) is None


@pytest.mark.parametrize(
    "header",
    [None, "", "nonsense", "a/b", "a/b/c/d", "a/b/c;attempt=x", "a/b/c\r\nset-cookie: x", "é/v1/x", ",,,"],
)
def test_invalid_elements_are_dropped(header):
    """An upstream can add only valid hops to our answer."""
    assert elements(header) == []


def test_valid_elements_are_kept_beside_invalid_ones():
    """One malformed element does not hide the others."""
    assert elements("x/y, logic/v1/p ,?,gate/v2/q;attempt=3") == ["logic/v1/p", "gate/v2/q;attempt=3"]


def test_an_overlong_header_is_cut():
    """An upstream cannot make our answer grow without bound."""
    assert len(elements("a/b/c," * 1000)) == MAX_HOPS


@given(st.text())
def test_any_upstream_value_makes_a_valid_header(text):
    """The result is ASCII without line breaks for any text."""
    header = served_by(OWN, elements(text))

    assert header.isascii()
    assert header.isprintable()
