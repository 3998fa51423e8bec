"""Steps of the translation can depend on their inputs only."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

import localmesh.translate
from localmesh.catalog import Catalog, Proxy
from localmesh.translate import STEPS, TranslationCache
from localmesh.translate.cache import PartCache

DERIVED = {("VirtualService", "connection_destinations"), ("VirtualService", "destinations")}
"""Fields that are not compared because others that are compared decide them."""
FOR_MESSAGES = {
    ("DestinationRule", "origin"),
    ("Extension", "resource"),
    ("PeerAuthentication", "resource"),
    ("Service", "subject"),
    ("Subset", "origin"),
    ("VirtualService", "left_out"),
    ("VirtualService", "origins"),
    ("VirtualService", "resource"),
    ("Workload", "resource"),
}
"""Fields that are not compared because translation does not read them."""


MODULES = [
    localmesh.translate,
    *(
        importlib.import_module(f"localmesh.translate.{module.name}")
        for module in pkgutil.iter_modules(localmesh.translate.__path__)
    ),
]


def _inputs() -> list[type]:
    """All frozen tuples with a `build`: steps and the parts of steps."""
    values = [value for module in MODULES for value in vars(module).values()]
    classes = {value for value in values if isinstance(value, type) and issubclass(value, tuple)}
    return sorted((step for step in classes if hasattr(step, "build")), key=lambda step: step.__name__)


INPUTS = _inputs()


def _reachable(kind: Any, seen: set[Any]) -> Iterator[type]:
    """The classes that a value of a type can hold, itself included."""
    if kind in seen:
        return
    seen.add(kind)
    if isinstance(kind, type):
        yield kind
        if is_dataclass(kind) or hasattr(kind, "_fields"):
            for hint in get_type_hints(kind).values():
                yield from _reachable(hint, seen)
    for argument in get_args(kind):
        yield from _reachable(argument, seen)


def test_every_step_and_part_is_found() -> None:
    """The checks below look at all steps, and at parts as well."""
    steps = {step for steps in STEPS.values() for step in steps}

    assert steps < set(INPUTS)


@pytest.mark.parametrize("inputs", INPUTS)
def test_a_step_cannot_reach_the_catalog(inputs: type) -> None:
    """Whatever decides its result is one of its fields, and so is compared."""
    reachable = set(_reachable(inputs, set()))

    assert reachable & {Catalog, Proxy, TranslationCache} == set()


@pytest.mark.parametrize("inputs", INPUTS)
def test_a_step_is_built_from_its_fields_alone(inputs: type) -> None:
    """`build` takes nothing but the results of parts from the last time."""
    build = inputs.build  # type: ignore[attr-defined]
    hints = get_type_hints(build)
    hints.pop("return")

    assert list(hints.values()) in ([], [PartCache])
    assert build.__closure__ is None


@pytest.mark.parametrize("inputs", INPUTS)
def test_every_field_of_the_inputs_is_compared(inputs: type) -> None:
    """A field that is left out of comparisons could change without anything being built again."""
    classes = [cls for cls in _reachable(inputs, set()) if is_dataclass(cls)]
    left_out = {
        (cls.__name__, field.name)
        for cls in classes
        for field in fields(cls)
        # what is not an argument is computed from the fields that are
        if not field.compare and field.init
    }

    assert left_out <= DERIVED | FOR_MESSAGES


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_fields_for_messages_are_not_read(module: ModuleType) -> None:
    """They are not compared, so nothing of a configuration can depend on them."""
    attributes = (
        node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Attribute)
    )

    assert {node.attr for node in attributes} & {name for _, name in FOR_MESSAGES} == set()
