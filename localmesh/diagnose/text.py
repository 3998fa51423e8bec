"""What a log means, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localmesh.diagnose.diagnosis import Diagnosis, Summary
from localmesh.diagnose.upstream import Side
from localmesh.formats.response_flags import RESPONSE_FLAGS
from localmesh.formats.text import counted, wrapped

_INDENT = "  "


def text(summary: Summary, width: int) -> str:
    """A block for each different failure, then how many entries were successful or no entries."""
    blocks = ["\n".join(_block(diagnosis, count, width)) for diagnosis, count in summary.failures]
    return "\n\n".join((*blocks, *_rest(summary)))


def _block(diagnosis: Diagnosis, count: int, width: int) -> Iterator[str]:
    yield from wrapped(_title(diagnosis) + (f", {counted(count, 'time')}" if count > 1 else ""), width)
    yield from wrapped(diagnosis.meaning, width, _INDENT, _INDENT)
    yield from _facts(diagnosis, width)
    yield from _list("usual causes", diagnosis.causes, width)
    yield from _list("look first at", diagnosis.look, width)
    if diagnosis.page:
        yield f"{_INDENT}more in {diagnosis.page}"


def _title(diagnosis: Diagnosis) -> str:
    """The request, its answer, and its flags with their long names."""
    entry = diagnosis.entry
    request = f"{entry.method} {entry.authority}{entry.path}" if entry.method else "a connection"
    flags = [flag for flag in entry.response_flags.split(",") if flag]
    names = ", ".join(RESPONSE_FLAGS[flag].name if flag in RESPONSE_FLAGS else flag for flag in flags)
    answer = [str(entry.status or ("no answer" if entry.method else "")), ",".join(flags)]
    return f"{request}: {' '.join(filter(None, answer))}" + (f" ({names})" if names else "")


def _facts(diagnosis: Diagnosis, width: int) -> Iterator[str]:
    upstream = diagnosis.upstream
    facts = []
    if upstream.side is not Side.UNKNOWN:
        facts.append(f"logged by {upstream.side.value}")
    if upstream.host:
        subset = f", subset {upstream.subset}" if upstream.subset else ""
        port = f":{upstream.port}" if upstream.port else ""
        facts.append(f"called {upstream.host}{port}{subset}")
    if diagnosis.by_proxy is not None:
        facts.append("answered by this proxy" if diagnosis.by_proxy else "answered by the upstream")
    for fact in facts:
        yield from wrapped(fact, width, _INDENT, _INDENT * 2)


def _list(title: str, items: Iterable[str], width: int) -> Iterator[str]:
    items = tuple(items)
    if items:
        yield f"{_INDENT}{title}:"
    for item in items:
        yield from wrapped(item, width, f"{_INDENT}- ", _INDENT * 2)


def _rest(summary: Summary) -> Iterator[str]:
    if summary.successful:
        yield f"{counted(summary.successful, 'successful request')}"
    if summary.unknown:
        yield f"{counted(summary.unknown, 'line')} without an entry of an access log"
