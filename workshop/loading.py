"""Reads exercises from their folders; everything wrong with a file is one error that names file and field."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.errors import UsageError
from loadgen.http1 import Request
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.proofs.common.copies import FEEDBACK
from workshop.exercise import Exercise, Expected, Group, Mistake, ObjectsLike, PodPort

FILE = "exercise.yaml"
FOLDER = Path("workshop")
KINDS = ("exercises", "broken")
"""The folders of exercises, and of broken configurations to mend."""
_SCHEMA = Path(__file__).with_name("exercise.schema.json")
_BODIES = {"sentence": sentiment_requests()[0], "feedback": FEEDBACK}
_BODY_OF = {PATH: "sentence", FEEDBACK.path: "feedback"}


def names(folder: Path) -> list[str]:
    """The names of all exercises in alphabetical order; broken configurations last, by number."""
    return list(_folders(folder))


def find(folder: Path, name: str) -> Exercise:
    """The exercise with this name; raises a UsageError with the closest name if there is none."""
    folders = _folders(folder)
    if name not in folders:
        close = difflib.get_close_matches(name, folders, n=1)
        hint = f'did you mean "{close[0]}"?' if close else "`workshop list` lists all"
        raise UsageError(f'no exercise is named "{name}"; {hint}')
    return load(folders[name])


def load_all(folder: Path) -> list[Exercise]:
    """All exercises, those of a page together and the broken configurations last."""
    exercises = [load(path) for path in _folders(folder).values()]
    return sorted(exercises, key=lambda exercise: (exercise.page is None, exercise.page or 0))


def _folders(folder: Path) -> dict[str, Path]:
    """The folder of each exercise by its name, in the order of the names."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder: run this at the root of the repository, or name the folder of the "
            "workshop with --folder"
        )
    found = [path.parent for kind in KINDS for path in (folder / kind).glob(f"*/{FILE}")]
    return {path.name: path for path in sorted(found, key=lambda path: _numbers_by_value(path.name))}


def load(folder: Path) -> Exercise:
    """The exercise in a folder."""
    file = folder / FILE
    content = _document(file)
    groups = tuple(_group(item) for item in content["check"])
    mistakes = tuple(_mistake(item) for item in content.get("mistakes", ()))
    _check_names(file, groups, mistakes)
    return Exercise(
        name=folder.name,
        folder=folder,
        title=content["title"],
        page=content.get("page"),
        task=content["task"].strip(),
        start=(folder / content["start"]).resolve(),
        hint=content["hint"].strip(),
        groups=groups,
        mistakes=mistakes,
        second_namespace=content.get("second_namespace", False),
    )


def _numbers_by_value(name: str) -> tuple[bool, str, int]:
    """So that break-10 follows break-9, after all exercises."""
    stem, _, number = name.rpartition("-")
    return (stem == "break", stem, int(number)) if number.isdigit() else (False, name, 0)


def _document(file: Path) -> dict[str, Any]:
    """The content of a file, which the schema allows."""
    import jsonschema_rs
    import yaml

    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_loader())  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    validator = jsonschema_rs.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
    for problem in validator.iter_errors(content):
        where = ".".join(map(str, problem.instance_path)) or "the document"
        raise UsageError(f"{file}: {where}: {problem.message}")
    return dict(content)


def _loader() -> type[Any]:
    """YAML whose keys are texts, as in `status: {200: 100}`."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the faster one, if there is one
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            return {str(key): value for key, value in super().construct_mapping(node, deep).items()}

    return Loader


def _check_names(file: Path, groups: tuple[Group, ...], mistakes: tuple[Mistake, ...]) -> None:
    known = {group.name for group in groups}
    for mistake in mistakes:
        if unknown := sorted(mistake.seen.keys() - known):
            raise UsageError(
                f'{file}: mistake {mistake.name}: seen: nobody is called "{unknown[0]}" in check; '
                f"there are {', '.join(sorted(known))}"
            )


def _group(item: Mapping[str, Any]) -> Group:
    direct = item.get("direct")
    return Group(
        name=item["who"],
        request=_request(item),
        expected=_shares(item["expect"]),
        times=item.get("times"),
        first=item.get("first", 0),
        at_once=item.get("at_once", 8),
        direct=None if direct is None else PodPort(direct["service"], direct["port"]),
    )


def _request(item: Mapping[str, Any]) -> Request:
    method, _, path = item["send"].partition(" ")
    headers = dict(item.get("headers", {}))
    if "token" in item:
        headers["authorization"] = f"Bearer {_token(item['token'])}"
    body = b""
    if method == "POST" and (name := item.get("body", _BODY_OF.get(path))):
        headers.setdefault("content-type", "application/json")
        body = _BODIES[name].body
    return Request(method, path, tuple(headers.items()), body)


def _token(more: Mapping[str, Any]) -> str:
    from loadgen.tokens import claims, demo_key, signed

    return signed(claims(**more), demo_key())


def _shares(content: Mapping[str, Any]) -> tuple[Expected, ...]:
    return tuple(
        _expected(facet, value, share)
        for facet, values in content.items()
        for value, share in (values if isinstance(values, dict) else {str(values): 100}).items()
    )


def _expected(facet: str, value: str, share: float | list[float]) -> Expected:
    low, high = share if isinstance(share, list) else (share, share)
    return Expected(facet, value, low / 100, high / 100)


def _mistake(item: Mapping[str, Any]) -> Mistake:
    objects = tuple(
        ObjectsLike(entry["kind"], entry.get("elsewhere", False), entry.get("field", ""), entry.get("value"))
        for entry in item.get("objects", ())
    )
    seen = {who: _shares(shares) for who, shares in item["seen"].items()}
    return Mistake(item["name"], item["hint"].strip(), seen, objects, item.get("edit", {}))
