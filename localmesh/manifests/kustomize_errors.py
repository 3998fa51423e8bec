"""The essence of what kustomize and kubectl say when they refuse a folder.

Their sentence is a chain of causes that begins with our wrapper and repeats itself; a user needs its
last link.
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
    """A refusal that has a shorter sentence and a remedy of its own."""

    sign: re.Pattern[str]
    sentence: str
    remedy: str


_KNOWN = (
    _Known(
        re.compile(r"security; file '(?P<file>[^']+)' is not in or below '(?P<folder>[^']+)'"),
        "file {file} is not in {folder} or below it, and kustomize reads no others",
        "move the file, or name a folder with a kustomization.yaml of its own",
    ),
    _Known(
        re.compile(r'Get \\?"(?P<file>[^"\\]+)\\?": (?P<why>.*?)\': must build'),
        "{file} cannot be fetched: {why}",
        "use files of this machine, or mend the connection",
    ),
    _Known(
        re.compile(r"lstat (?P<file>[^']+?): no such file or directory"),
        "{file} does not exist",
        "create the file, or correct its name in the kustomization",
    ),
    _Known(
        re.compile(r"unable to find one of 'kustomization\.yaml'.* in directory '(?P<folder>[^']+)'"),
        "no kustomization.yaml in {folder}",
        "name a folder with a kustomization.yaml",
    ),
    _Known(
        re.compile(r"no matches for Id (?P<id>[^;]+);"),
        "a patch is for {id}, and there is no such object",
        "give the patch the kind, name and namespace of an object that the kustomization has",
    ),
    _Known(
        re.compile(r"may not add resource with an already registered id: (?P<id>\S+)"),
        "{id} is there twice",
        "remove one of the two, or make it a patch",
    ),
    _Known(
        re.compile(r'json: unknown field "(?P<field>[^"]+)"'),
        'the kustomization.yaml has an unknown field "{field}"',
        "correct the field",
    ),
)


def summarize(said: str) -> tuple[str, str]:
    """The sentence that matters and what to do, from the whole of what was written to standard error."""
    chain = _message(said)
    for known in _KNOWN:
        if found := known.sign.search(chain):
            parts = {name: _from_here(text) for name, text in found.groupdict().items()}
            return known.sentence.format_map(parts), known.remedy
    while link := _LINK.match(chain):
        chain = chain[link.end() :]
    return _from_here(chain) or "it ended without a word", "correct the kustomization"


def _message(said: str) -> str:
    """What is left without the frame of a log line, as one line."""
    logged = _LOGGED.search(said)
    if logged and logged["quoted"]:
        said = json.loads(logged["quoted"])
    elif logged:
        said = logged["block"]
    lines = [line for line in said.splitlines() if not line.startswith("# Warning:")]
    return " ".join(" ".join(lines).split())


def _from_here(text: str) -> str:
    """Files as seen from the working folder."""
    return text.replace(f"{Path.cwd().resolve()}{os.sep}", "").strip()
