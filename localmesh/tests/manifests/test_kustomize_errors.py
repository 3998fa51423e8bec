"""Errors of kustomize are summarized."""

from pathlib import Path

import pytest

from localmesh.manifests.kustomize_errors import summarize

CHAIN = (
    "accumulating resources: accumulation err='accumulating resources from '../overlay': "
    "'/project/overlay' must resolve to a file': recursed accumulation of path '/project/overlay': "
)


@pytest.mark.parametrize(
    "frame",
    [
        "Error: {}\n",
        "error: {}\n",
        "# Warning: 'bases' is deprecated.\nError: {}\n",
        'E1121 12:06:51.993354 27115 run.go:72] "command failed" err="{}"\n',
        'E1121 12:06:51.953035 27111 run.go:72] "command failed" err=<\n\t{}\n >\n',
    ],
)
def test_the_log_prefix_is_removed(frame: str) -> None:
    """kustomize and kubectl print the same message in different forms."""
    output = frame.format(CHAIN + "no such thing as a free lunch")

    assert summarize(output) == ("no such thing as a free lunch", "correct the kustomization")


def test_paths_are_relative_to_the_working_folder() -> None:
    """kustomize prints absolute paths, users write relative ones."""
    missing = Path.cwd() / "overlay" / "nothing.yaml"

    sentence, remedy = summarize(f"Error: {CHAIN}evalsymlink failure on '{missing}' : "
                               f"lstat {missing}: no such file or directory")  # fmt: skip

    assert sentence == "overlay/nothing.yaml does not exist"
    assert remedy == "create the file, or correct its name in the kustomization"


def test_a_url_that_cannot_be_fetched_is_named() -> None:
    """With the reason."""
    output = (
        f"Error: {CHAIN}accumulation err='accumulating resources from 'https://example.com/a': "
        'Get "https://example.com/a": connection refused\': must build at directory: not a valid directory'
    )

    assert summarize(output)[0] == "https://example.com/a cannot be fetched: connection refused"


def test_an_empty_message_has_a_replacement() -> None:
    """A killed kustomize prints nothing."""
    assert summarize("") == ("it failed without a message", "correct the kustomization")
