"""What the package offers."""

from localmesh import manifests


def test_every_exported_name_is_there() -> None:
    """And nothing is exported twice."""
    assert [name for name in manifests.__all__ if not hasattr(manifests, name)] == []
    assert sorted(set(manifests.__all__)) == manifests.__all__
