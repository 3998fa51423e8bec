"""The examples in docstrings are correct."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import loadgen
import localmesh

MODULES = sorted(
    module.name
    for package in (localmesh, loadgen)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if ".tests" not in module.name and not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_correct(name: str) -> None:
    """Every `>>>` of a module returns the value below it."""
    results = doctest.testmod(importlib.import_module(name))

    assert results.failed == 0
