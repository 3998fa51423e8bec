"""Host names, wildcards and overlaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localmesh.formats.hostnames import first_overlaps, is_address, is_domain, is_wildcard_domain, overlap
from localmesh.tests.work import growth, lines_run


@pytest.mark.parametrize(
    "host", ["logic", "logic.shop", "a.b.svc.cluster.local", "*", "*.example.com", "*-v1.example.com", "a."]
)
def test_names_and_wildcards_in_the_first_label_are_hosts(host: str) -> None:
    """As in Istio's validation."""
    assert is_wildcard_domain(host)


@pytest.mark.parametrize(
    "host",
    ["", "a:80", "http://a", "a/b", "a b", "a.*.com", "-a", "a..b", "1.2.3.4", "a" * 64, "a." * 130 + "com"],
)
def test_ports_paths_and_inner_wildcards_are_not_hosts(host: str) -> None:
    """Nor are addresses, whose last label is a number."""
    assert not is_wildcard_domain(host)


def test_a_domain_has_no_wildcard() -> None:
    """Unlike a host."""
    assert (is_domain("public"), is_domain("*.com"), is_domain("")) == (True, False, False)


def test_addresses_of_both_families_are_addresses() -> None:
    """Hosts of a VirtualService may be addresses."""
    assert [is_address(text) for text in ("10.0.0.1", "::1", "10.0.0", "logic")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a.com", "a.com", True),
        ("a.com", "b.com", False),
        ("*", "a.com", True),
        ("*.com", "*.a.com", True),
        ("*.a.com", "a.com", False),
        ("*.a.com", "*.b.com", False),
    ],
)
def test_hosts_overlap_if_one_name_is_in_both(one: str, other: str, expected: bool) -> None:
    """The order does not matter."""
    assert (overlap(one, other), overlap(other, one)) == (expected, expected)


@given(st.lists(st.text("*ab.", max_size=5), max_size=12))
def test_the_first_overlap_is_that_of_comparing_all_pairs(hosts: list[str]) -> None:
    """With wildcards in any place of the list, within each other or not."""
    expected = [
        next((earlier for earlier in range(index) if overlap(hosts[earlier], host)), None)
        for index, host in enumerate(hosts)
    ]

    assert list(first_overlaps(hosts)) == expected


@pytest.mark.parametrize("wildcards", [0, 2])
def test_the_work_for_overlaps_grows_linearly(wildcards: int) -> None:
    """Twice as many hosts are twice the work, not four times."""
    patterns = [f"*.{number}.com" for number in range(wildcards)]
    lists = [[f"{number}.net" for number in range(size)] + patterns for size in (100, 200, 400)]

    assert growth([lines_run(lambda hosts=hosts: list(first_overlaps(hosts))) for hosts in lists]) < 2.1
