"""Ports and paths of a container → those of the process that stands for it.

A process shares the machine's ports and files with all others, so what a manifest says about its
container has to be said anew:

- a value that *is* a declared port (`8080`) becomes the port that was given out for it;
- a declared port behind a local address (`0.0.0.0:8080`, `:8080`, `http://localhost:8080/x`) becomes
  `127.0.0.1:` and that port, wherever in the value it stands; behind any other host it is somebody
  else's port and stays;
- a word of a command may also say it as an option (`--port=8080`);
- a mount path, or a path under it, becomes the volume's folder, where it begins the value or follows a
  delimiter (space, quote, `=`, `,`, `;`, `:`, bracket) or the slashes of a URL without a host
  (`file:///data/x`, `sqlite:////data/x.db`; SQLite's three slashes begin a relative path and stay).

Numbers and paths elsewhere stay: inside a shell script write `$PORT`, and nothing rewrites files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Kubernetes reads from left to right: `$$` is a dollar sign, `$(NAME)` a reference, and every other
# dollar sign stays as it is (kubernetes/third_party/forked/golang/expansion/expand.go).
_TOKEN = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")
_LOCAL_ADDRESS = re.compile(
    r"(?:(?<![\w.\-:\]])(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::1?\]|\*)|(?:^|(?<=[\s=,])))"
    r":(?P<port>\d{1,5})(?![\w.])"
)
_OPTION = re.compile(r"(?P<option>-[^\s=]*=)(?P<port>\d{1,5})")
_PATH_BEGINS = r"(?P<before>^|[\s\"'`=,;:(\[{<>|&]|:///|(?<!sqlite)://)"
_PATH_ENDS = r"(?=$|[\s\"'`=,;:)\]}<>|&/?#])"


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What stands for what in one container: declared → real ports, mount paths → folders."""

    ports: Mapping[int, int]
    folders: Mapping[str, Path]

    def value(self, text: str) -> str:
        """A value of the environment."""
        if text.isdecimal() and len(text) <= 5:
            return str(self.ports.get(int(text), text))
        return self.path(_LOCAL_ADDRESS.sub(self._local_address, text))

    def word(self, text: str) -> str:
        """A word of a command line."""
        option = _OPTION.fullmatch(text)
        if option and int(option["port"]) in self.ports:
            return f"{option['option']}{self.ports[int(option['port'])]}"
        return self.value(text)

    def path(self, text: str) -> str:
        """A text in which only mount paths are rewritten; the longest that fits counts."""
        if not self.folders:
            return text
        longest_first = sorted(self.folders, key=len, reverse=True)
        mount = "|".join(map(re.escape, longest_first))
        pattern = f"{_PATH_BEGINS}(?P<mount>{mount}){_PATH_ENDS}"
        return re.sub(pattern, lambda found: f"{found['before']}{self.folders[found['mount']]}", text)

    def _local_address(self, found: re.Match[str]) -> str:
        real = self.ports.get(int(found["port"]))
        return found[0] if real is None else f"127.0.0.1:{real}"


def expand(text: str, values: Mapping[str, str]) -> str:
    """`text` with its references replaced; one to an unknown variable stays as written.

    >>> expand("$(HOST):$$(PORT)/$(OTHER)", {"HOST": "logic", "PORT": "80"})
    'logic:$(PORT)/$(OTHER)'
    """

    def replacement(token: re.Match[str]) -> str:
        name = token["name"]
        if name is None:
            return "$"
        return values.get(name, token[0])

    return _TOKEN.sub(replacement, text)
