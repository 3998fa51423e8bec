"""The public names of the package."""

from localmesh import manifests


def test_every_exported_name_exists() -> None:
    """And is exported once."""
    assert [name for name in manifests.__all__ if not hasattr(manifests, name)] == []
    assert sorted(set(manifests.__all__)) == manifests.__all__
