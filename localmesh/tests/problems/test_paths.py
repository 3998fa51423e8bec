"""Paths of fields."""

from localmesh.problems import FieldPath


def test_a_path_reads_like_the_manifest() -> None:
    """Keys with dots, indices in brackets."""
    path = FieldPath("spec") / "http" / 0 / "route"

    assert str(path) == "spec.http[0].route"


def test_keys_with_special_characters_are_quoted() -> None:
    """Dots and slashes of a label key do not look like segments of the path."""
    path = FieldPath("metadata", "labels", "app.kubernetes.io/name")

    assert str(path) == 'metadata.labels["app.kubernetes.io/name"]'


def test_a_path_is_immutable() -> None:
    """Appending returns another path."""
    spec = FieldPath("spec")

    longer = spec / "http"

    assert (str(spec), str(longer)) == ("spec", "spec.http")
    assert longer == FieldPath("spec", "http")


def test_a_path_contains_itself_and_what_is_below() -> None:
    """But not siblings or parents."""
    http = FieldPath("spec", "http")

    inside = [http.contains(other) for other in (http, http / 0, FieldPath("spec"), FieldPath("spec", "tcp"))]

    assert inside == [True, True, False, False]
