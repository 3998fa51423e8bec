"""Cases: requests to a mesh, and what is expected of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localmesh.explain.request import Request

ANY_SOURCE = "any"
"""The source of a request that enters where its host is routed: istio-config-validator's cases name none."""


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and the fields of `expect`.

    `written` are blocks that the VirtualService's route must have, or must not have if `negated`: what
    istio-config-validator compares.
    """

    name: str
    request: Request
    expect: Mapping[str, Any]
    file: str
    line: int
    written: Mapping[str, Any] = field(default_factory=dict)
    negated: bool = False

    @property
    def position(self) -> str:
        """File and line in the form that editors understand."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of a file, and the manifests that they are about."""

    file: str
    cases: tuple[Case, ...]
    kustomizations: tuple[Path, ...] = ()
    manifests: tuple[Path, ...] = ()
