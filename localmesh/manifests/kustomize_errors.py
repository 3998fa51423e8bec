"""Why kustomize or kubectl could not build a folder.

Their message is a chain of causes that starts with our wrapper and repeats itself; users need its last link.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localmesh.manifests.documents import Reading, read_text
from localmesh.manifests.patches import kustomization_file

_LOGGED = re.compile(r'err=(?:<\n(?P<block>.*?)\n >|(?P<quoted>".*"))\s*$', re.DOTALL)
_LINK = re.compile(
    r"""^(?:
        (?:error|Error):\s
      | accumulating\ resources:\s
      | accumulation\ err='accumulating\ resources\ from\ '[^']*':\ '[^']*'\ must\ resolve\ to\ a\ file':\s
      | recursed\ (?:accumulation\ of|merging\ from)\ path\ '[^']*':\s
      | couldn't\ make\ target\ for\ path\ '[^']*':\s
      | trouble\ configuring\ builtin\ \w+\ with\ config:\ `[^`]*`:\s
      | invalid\ Kustomization:\s
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Known:
    """An error with a shorter message and a specific remedy."""

    sign: re.Pattern[str]
    sentence: str
    remedy: str


_KNOWN = (
    _Known(
        re.compile(r"security; file '(?P<file>[^']+)' is not in or below '(?P<folder>[^']+)'"),
        "{file} is outside {folder}, and kustomize reads only files below it",
        "move the file, or refer to a folder with its own kustomization.yaml",
    ),
    _Known(
        re.compile(r'Get \\?"(?P<file>[^"\\]+)\\?": (?P<why>.*?)\': must build'),
        "{file} cannot be fetched: {why}",
        "use local files, or fix the connection",
    ),
    _Known(
        re.compile(r"lstat (?P<file>[^']+?): no such file or directory"),
        "{file} does not exist",
        "create the file, or correct its name in the kustomization",
    ),
    _Known(
        re.compile(r"unable to find one of 'kustomization\.yaml'.* in directory '(?P<folder>[^']+)'"),
        "there is no kustomization.yaml in {folder}",
        "name a folder with a kustomization.yaml",
    ),
    _Known(
        re.compile(r"no matches for Id (?P<id>[^;]+);"),
        "a patch targets {id}, which does not exist",
        "correct the kind, name and namespace in the patch",
    ),
    _Known(
        re.compile(r"may not add resource with an already registered id: (?P<id>\S+)"),
        "{id} is defined twice",
        "remove one of the two, or make it a patch",
    ),
    _Known(
        re.compile(r'json: unknown field "(?P<field>[^"]+)"'),
        'the kustomization.yaml has an unknown field "{field}"',
        "correct the field",
    ),
)


def summarize(output: str) -> tuple[str, str]:
    """The relevant message and what to do, from everything that was written to standard error."""
    chain = _message(output)
    for known in _KNOWN:
        if match := known.sign.search(chain):
            parts = {name: _relative(text) for name, text in match.groupdict().items()}
            return known.sentence.format_map(parts), known.remedy
    while link := _LINK.match(chain):
        chain = chain[link.end() :]
    return _relative(chain) or "it failed without a message", "correct the kustomization"


def _message(output: str) -> str:
    """The message without the log prefix, on one line."""
    logged = _LOGGED.search(output)
    if logged and logged["quoted"]:
        output = json.loads(logged["quoted"])
    elif logged:
        output = logged["block"]
    lines = [line for line in output.splitlines() if not line.startswith("# Warning:")]
    return " ".join(" ".join(lines).split())


def _relative(text: str) -> str:
    """The text with paths relative to the working folder."""
    return text.replace(f"{Path.cwd().resolve()}{os.sep}", "").strip()


# -- files that are not YAML ---------------------------------------------------------------------------

_LISTS = ("resources", "components", "patches", "patchesJson6902", "patchesStrategicMerge")


def malformed_files(directory: Path) -> Reading:
    """The problems of the files of a kustomization, and of those it builds on, that are not YAML.

    kustomize reports at most the name of such a file, and often not the line.
    """
    return Reading(problems=Reading.of_all(_readings(directory, set())).problems)


def _readings(directory: Path, seen: set[Path]) -> Iterator[Reading]:
    file = kustomization_file(directory)
    if file is None or directory.resolve() in seen:
        return
    seen.add(directory.resolve())
    reading = _read(file)
    yield reading
    for document in reading.documents:
        for path in _paths_in(document.body, directory):
            if path.is_dir():
                yield from _readings(path, seen)
            elif path.is_file():
                yield _read(path)


def _read(file: Path) -> Reading:
    try:
        return read_text(file.read_text(encoding="utf-8"), os.path.relpath(file))
    except (OSError, UnicodeDecodeError):
        return Reading()  # the message of kustomize tells why


def _paths_in(kustomization: Any, directory: Path) -> Iterator[Path]:
    if not isinstance(kustomization, dict):
        return
    for name in _LISTS:
        entries = kustomization.get(name)
        for entry in entries if isinstance(entries, list) else ():
            written = entry.get("path") if isinstance(entry, dict) else entry
            # a text of several lines is an inline patch, which was read with its file
            if isinstance(written, str) and "\n" not in written:
                yield directory / written
