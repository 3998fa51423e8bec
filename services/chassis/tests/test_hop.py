"""The `served-by` header names every hop, outermost first, and takes nothing odd from an upstream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.hop import MAX_HOPS, Hop, attempt, elements, served_by

OWN = Hop("webapp", "v1", "webapp-v1-7d4f")


def test_a_hop_that_nobody_counted_has_no_attempt():
    """The element is service, version and pod."""
    assert served_by(OWN) == "webapp/v1/webapp-v1-7d4f"


def test_hops_stand_outermost_first():
    """The own element, then what the upstream said."""
    upstream = elements("logic/v2/logic-v2-55f9;attempt=2")

    assert served_by(OWN, upstream) == "webapp/v1/webapp-v1-7d4f, logic/v2/logic-v2-55f9;attempt=2"


@pytest.mark.parametrize(("text", "counted"), [("1", 1), ("2", 2), ("007", 7), ("999999999", 999999999)])
def test_an_attempt_is_what_the_proxy_counted(text, counted):
    """Whole numbers from 1 on."""
    assert attempt(text) == counted


@pytest.mark.parametrize("text", [None, "", "0", "-1", "1.5", "two", "1,2", "²", "1" * 5000])
def test_what_counts_nothing_is_no_attempt(text):
    """A header that is absent, malformed or sent twice counts nothing."""
    assert attempt(text) is None


@pytest.mark.parametrize(
    "header",
    [None, "", "nonsense", "a/b", "a/b/c/d", "a/b/c;attempt=x", "a/b/c\r\nset-cookie: x", "é/v1/x", ",,,"],
)
def test_what_is_no_hop_is_left_out(header):
    """An upstream cannot write anything into our answer but hops."""
    assert elements(header) == []


def test_sound_elements_stay_beside_broken_ones():
    """One proxy that garbles its element does not hide the others."""
    assert elements("x/y, logic/v1/p ,?,gate/v2/q;attempt=3") == ["logic/v1/p", "gate/v2/q;attempt=3"]


def test_a_header_without_end_is_cut():
    """An upstream cannot make our answer grow without bound."""
    assert len(elements("a/b/c," * 1000)) == MAX_HOPS


@given(st.text())
def test_whatever_an_upstream_says_fits_into_a_header(text):
    """The result is ASCII without line ends for any text."""
    header = served_by(OWN, elements(text))

    assert header.isascii()
    assert header.isprintable()
