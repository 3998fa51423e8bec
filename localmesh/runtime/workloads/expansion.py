"""`$(VAR)` in commands, arguments and environment values, as Kubernetes expands it."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Kubernetes reads from left to right: `$$` is a dollar sign, `$(NAME)` a reference, and every other
# dollar sign stays as it is (kubernetes/third_party/forked/golang/expansion/expand.go).
_TOKEN = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")


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
