"""Regular expressions as Envoy accepts them: RE2 syntax, limited in size."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 1024
"""Characters; Istio rejects longer ones, because Envoy rejects programs that are too large."""

LARGEST_PROGRAM = 32768
"""Instructions; Istio's Envoys reject larger programs, which a few repetitions can produce."""


@lru_cache(maxsize=1024)
def regex_fault(pattern: str) -> str | None:
    """Why a pattern is invalid, None if it is valid."""
    import re2

    if not pattern:
        return "it is empty"
    if len(pattern) > LONGEST:
        return f"it has {len(pattern)} characters, at most {LONGEST} are allowed"
    options = re2.Options()
    options.log_errors = False
    try:
        size = re2.compile(pattern, options).programsize
    except re2.error as error:
        reason = error.args[0]
        return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    except UnicodeEncodeError:
        return "it is not valid text"
    if size > LARGEST_PROGRAM:
        return f"its program has {size} instructions, at most {LARGEST_PROGRAM} are allowed"
    return None


def quote_meta(text: str) -> str:
    """A pattern that matches the text itself, as Go writes it.

    >>> quote_meta("/a.b*")
    '/a\\\\.b\\\\*'
    """
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)
