"""The examples in docstrings are true."""

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
def test_examples_in_docstrings_are_true(name: str) -> None:
    """Every `>>>` of a module gives what stands below it."""
    found = doctest.testmod(importlib.import_module(name))

    assert found.failed == 0
