"""The `served-by` header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.measurement.served_by import Hop, hops


def test_one_hop_for_each_element_outermost_first():
    """With the attempt where a proxy counted it."""
    parsed = hops(b"webapp/v1/webapp-v1-7d4f, logic/v2/logic-v2-55f9;attempt=2")

    assert parsed == (Hop("webapp", "v1", "webapp-v1-7d4f"), Hop("logic", "v2", "logic-v2-55f9", 2))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ()),
        (b"", ()),
        (b"envoy", ()),
        (b"a/b", ()),
        (b"a//c", ()),
        (b"a/b/c/d", ()),
        (b"nonsense, a/b/c", (Hop("a", "b", "c"),)),
        (b"a/b/c ; x=1 ; attempt=3", (Hop("a", "b", "c", 3),)),
        (b"a/b/c;attempt=often", (Hop("a", "b", "c"),)),
        (b"a/b/c;attempt=-1", (Hop("a", "b", "c"),)),
    ],
)
def test_what_is_not_a_hop_is_left_out(header: bytes | None, expected: tuple[Hop, ...]):
    """An answer without the header names none."""
    assert hops(header) == expected


@given(header=st.binary(max_size=80))
def test_no_header_breaks_it(header: bytes):
    """Whatever a server sends, it is hops or nothing."""
    assert all(hop.service and hop.version and hop.pod for hop in hops(header))
