"""Kubernetes quantities."""

from fractions import Fraction

import pytest

from localmesh.runtime.workloads.variables import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("0.5", Fraction(1, 2)),
        ("250m", Fraction(1, 4)),
        ("64Mi", 64 * 1024 * 1024),
        ("1.5G", 1_500_000_000),
        ("2E", 2 * 10**18),
        ("2e3", 2000),
        ("5E-1", Fraction(1, 2)),
    ],
)
def test_quantities_are_read_exactly(text: str, number: int | Fraction) -> None:
    """Decimal, binary and exponent suffixes have Kubernetes' meaning."""
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1KiB", "one", "1e"])
def test_other_texts_are_no_quantities(text: str) -> None:
    """Other texts are refused."""
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity(text)
