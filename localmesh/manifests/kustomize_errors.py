"""Summaries of the errors of kustomize and kubectl.

Their message is a chain of causes that starts with our wrapper and repeats itself; users need its last link.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

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


def summarize(said: str) -> tuple[str, str]:
    """The relevant message and what to do, from everything that was written to standard error."""
    chain = _message(said)
    for known in _KNOWN:
        if found := known.sign.search(chain):
            parts = {name: _from_here(text) for name, text in found.groupdict().items()}
            return known.sentence.format_map(parts), known.remedy
    while link := _LINK.match(chain):
        chain = chain[link.end() :]
    return _from_here(chain) or "it failed without a message", "correct the kustomization"


def _message(said: str) -> str:
    """The message without the log prefix, on one line."""
    logged = _LOGGED.search(said)
    if logged and logged["quoted"]:
        said = json.loads(logged["quoted"])
    elif logged:
        said = logged["block"]
    lines = [line for line in said.splitlines() if not line.startswith("# Warning:")]
    return " ".join(" ".join(lines).split())


def _from_here(text: str) -> str:
    """The text with paths relative to the working folder."""
    return text.replace(f"{Path.cwd().resolve()}{os.sep}", "").strip()
