"""Field paths: values that grow."""

from localmesh.problems import FieldPath


def test_a_path_reads_like_the_manifest() -> None:
    """Keys with dots, indices in brackets."""
    path = FieldPath("spec") / "http" / 0 / "route"

    assert str(path) == "spec.http[0].route"


def test_keys_that_are_no_words_are_quoted() -> None:
    """Dots and slashes of a label key cannot be taken for steps of the path."""
    path = FieldPath("metadata", "labels", "app.kubernetes.io/name")

    assert str(path) == 'metadata.labels["app.kubernetes.io/name"]'


def test_growing_leaves_the_path_as_it_was() -> None:
    """Paths are values: they can be kept and compared."""
    spec = FieldPath("spec")

    longer = spec / "http"

    assert (str(spec), str(longer)) == ("spec", "spec.http")
    assert longer == FieldPath("spec", "http")


def test_a_path_contains_itself_and_what_is_below() -> None:
    """Not what is beside it or above it."""
    http = FieldPath("spec", "http")

    inside = [http.contains(other) for other in (http, http / 0, FieldPath("spec"), FieldPath("spec", "tcp"))]

    assert inside == [True, True, False, False]
