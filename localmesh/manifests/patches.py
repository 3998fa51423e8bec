"""Which objects a kustomization patches: kustomize itself marks all of them as patched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True)
class _Target:
    """What a patch is for; patterns match the whole word, an empty one matches all."""

    kind: str
    name: str

    def takes(self, kind: str, name: str | None) -> bool:
        return _matches(self.kind, kind) and (name is None or _matches(self.name, name))


def _matches(pattern: str, word: str) -> bool:
    try:
        return not pattern or re.fullmatch(pattern, word) is not None
    except re.error:
        return True


def kustomization_file(folder: Path) -> Path | None:
    """The file that makes a folder a kustomization, whatever of its names it has."""
    return next((folder / name for name in _NAMES if (folder / name).is_file()), None)


class Patches:
    """The targets of the patches of kustomizations, each read once."""

    def __init__(self) -> None:
        self._targets: dict[Path, tuple[_Target, ...]] = {}

    def touch(self, folder: Path, kind: str, name: str | None) -> bool:
        """Whether the kustomization in a folder patches such an object; `name` is None if it was changed.

        What cannot be read counts as patched, for then no line may be claimed.
        """
        if folder not in self._targets:
            try:
                self._targets[folder] = tuple(_targets(folder))
            except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError):
                self._targets[folder] = (_Target("", ""),)
        return any(target.takes(kind, name) for target in self._targets[folder])


def _targets(folder: Path) -> Iterator[_Target]:
    file = kustomization_file(folder) or folder / _NAMES[0]
    kustomization = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    for patch in [*kustomization.get("patches", ()), *kustomization.get("patchesJson6902", ())]:
        if target := patch.get("target"):
            yield _Target(target.get("kind", ""), target.get("name", ""))
        else:
            yield from _patched_in(_text_of(patch, folder))
    for written in kustomization.get("patchesStrategicMerge", ()):
        yield from _patched_in(_text_of({"path": written}, folder) if "\n" not in written else written)
    for replacement in kustomization.get("replacements", ()):
        for target in replacement.get("targets", [{}]):
            select = target.get("select", {})
            yield _Target(select.get("kind", ""), select.get("name", ""))


def _text_of(patch: dict[str, Any], folder: Path) -> str:
    written: str = patch.get("patch") or (folder / patch["path"]).read_text(encoding="utf-8")
    return written


def _patched_in(text: str) -> Iterator[_Target]:
    for body in yaml.load_all(text, Loader=yaml.CSafeLoader):
        if body:
            yield _Target(re.escape(body["kind"]), re.escape(body["metadata"]["name"]))
