"""Rewrites the ports and paths of a container to those of its process.

A process shares the ports and files of the machine with all others, so the values in the manifest change:

- a value that *is* a declared port (`8080`) becomes the port that was allocated for it;
- a declared port after a local address (`0.0.0.0:8080`, `:8080`, `http://localhost:8080/x`) becomes
  `127.0.0.1:` and that port, anywhere in the value; after any other host it stays;
- an option in a command line may contain it (`--port=8080`);
- a mount path, or a path below it, becomes the volume's folder, if it starts the value or follows a
  delimiter (space, quote, `=`, `,`, `;`, `:`, bracket) or the slashes of a URL without a host
  (`file:///data/x`, `sqlite:////data/x.db`; SQLite's three slashes start a relative path and stay).

A host with TCP ports becomes the address on the loopback that stands for it: `db:5432` anywhere, `db` as the
whole value or as the host of a URL (`postgres://db/x`), if all ports of the host are TCP.

Other numbers and paths stay: in a shell script write `$PORT`. Of files, only those of ConfigMaps and Secrets
are rewritten, and in these only hosts with TCP ports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localmesh.catalog.called_hosts import CalledHosts

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
    """The replacements for one container: declared → real ports, mount paths → folders, hosts → addresses."""

    ports: Mapping[int, int]
    folders: Mapping[str, Path]
    called: CalledHosts = field(default_factory=CalledHosts)

    def value(self, text: str) -> str:
        """Rewrites a value of the environment."""
        text = self.called.replaced(text)
        if text.isdecimal() and len(text) <= 5:
            return str(self.ports.get(int(text), text))
        return self.path(_LOCAL_ADDRESS.sub(self._local_address, text))

    def word(self, text: str) -> str:
        """Rewrites a word of a command line."""
        option = _OPTION.fullmatch(text)
        if option and int(option["port"]) in self.ports:
            return f"{option['option']}{self.ports[int(option['port'])]}"
        return self.value(text)

    def path(self, text: str) -> str:
        """Rewrites mount paths only; the longest one that matches wins."""
        if not self.folders:
            return text
        longest_first = sorted(self.folders, key=len, reverse=True)
        mount = "|".join(map(re.escape, longest_first))
        pattern = f"{_PATH_BEGINS}(?P<mount>{mount}){_PATH_ENDS}"
        return re.sub(pattern, lambda match: f"{match['before']}{self.folders[match['mount']]}", text)

    def _local_address(self, match: re.Match[str]) -> str:
        real = self.ports.get(int(match["port"]))
        return match[0] if real is None else f"127.0.0.1:{real}"


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
