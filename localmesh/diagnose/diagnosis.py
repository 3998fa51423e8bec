"""From an entry of an access log to what it means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localmesh.diagnose.reason import Reason
from localmesh.diagnose.reasons import REASONS
from localmesh.diagnose.upstream import Side, Upstream, upstream_of
from localmesh.formats.access_log import LogEntry, parse
from localmesh.problems.problem import page_at

_POLICY = re.compile(r"ns\[(?P<namespace>[^]]*)\]-policy\[(?P<name>[^]]*)\]-rule\[(?P<rule>\d+)\]")
_BRACES = re.compile(r"\{(?P<text>.*)\}")
_VIA_UPSTREAM = "via_upstream"
_NO_ERRORS = range(100, 400)
_PAGES = ("UF", "UC", "UH", "UO", "NC", "NR", "UT", "DC", "DPE", "LR", "UAEX", "URX")
"""The flags that have a page in docs/troubleshooting, those that say why before that which says how often."""


@dataclass(frozen=True)
class Diagnosis:
    """What an entry means, in words that name its host, path and addresses."""

    entry: LogEntry
    upstream: Upstream
    meaning: str
    causes: tuple[str, ...]
    look: tuple[str, ...]

    @property
    def page(self) -> str:
        """The page about the flag, or about the policy that denied the request; "" if there is none."""
        flags = self.entry.response_flags.split(",")
        name = next((flag for flag in _PAGES if flag in flags), "")
        if not name and self.entry.response_code_details.startswith("rbac_access_denied"):
            name = "RBAC"
        return page_at(f"docs/troubleshooting/{name.lower()}.md") if name else ""

    @property
    def by_proxy(self) -> bool | None:
        """Whether the proxy itself answered; None if the entry does not say, or if there is no answer."""
        details = self.entry.response_code_details
        return details != _VIA_UPSTREAM if details and self.entry.status else None


@dataclass(frozen=True)
class Summary:
    """The entries of a log: different failures with the number of their entries, the most frequent first."""

    failures: tuple[tuple[Diagnosis, int], ...]
    successful: int
    unknown: int
    """Lines that are no entries."""


def summarize(lines: Iterable[str]) -> Summary:
    """What the entries in lines of a log mean."""
    entries, unknown = [], 0
    for line in filter(str.strip, lines):
        if entry := parse(line):
            entries.append(entry)
        else:
            unknown += 1
    failures = [entry for entry in entries if not _is_success(entry)]
    counts = Counter(map(_kind, failures))
    examples = {_kind(entry): entry for entry in reversed(failures)}
    found = tuple((diagnose(examples[kind]), count) for kind, count in counts.most_common())
    return Summary(found, len(entries) - len(failures), unknown)


def diagnose(entry: LogEntry) -> Diagnosis:
    """What an entry means, of whichever Istio since 1.0."""
    upstream = upstream_of(entry)
    reason = next((found for found in REASONS if found.applies_to(entry, upstream)), None) or _other(entry)
    values = _values(entry, upstream)
    if not upstream.namespace:
        values["namespace"] = "NAMESPACE"

    def written(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(text.format_map(values) for text in texts)

    return Diagnosis(
        entry, upstream, reason.meaning.format_map(values), written(reason.causes), written(reason.look)
    )


def _is_success(entry: LogEntry) -> bool:
    """Whether there is nothing to explain; a TCP connection has no status."""
    answered = entry.status in _NO_ERRORS or (not entry.status and not entry.method)
    return answered and not entry.response_flags


def _kind(entry: LogEntry) -> tuple[str, ...]:
    """What entries with the same diagnosis have in common."""
    return (
        entry.response_code,
        entry.response_flags,
        entry.response_code_details,
        entry.upstream_cluster,
        entry.authority,
    )


def _other(entry: LogEntry) -> Reason:
    """What is said of an entry that no reason applies to."""
    details = entry.response_code_details
    if details and details != _VIA_UPSTREAM:
        return Reason(f"the proxy answered this itself: {details}".replace("{", "{{").replace("}", "}}"))
    if entry.status in _NO_ERRORS:
        return Reason("the request was answered")
    return Reason("there was no answer" if not entry.status else "the entry does not say why")


def _values(entry: LogEntry, upstream: Upstream) -> dict[str, str]:
    """What the texts of a reason can name."""
    host = upstream.host or entry.authority or "the host"
    return {
        "host": host,
        "port": upstream.port,
        "subset": upstream.subset,
        "service": upstream.service or host,
        "namespace": upstream.namespace,
        "cluster": entry.upstream_cluster,
        "upstream": _called(entry, upstream),
        "authority": entry.authority or "this host",
        "path": entry.path,
        "method": entry.method or "GET",
        "url": f"http://{entry.authority}{entry.path}",
        "policy": _policy(entry.response_code_details),
        "token": _token(entry.response_code_details),
    }


def _called(entry: LogEntry, upstream: Upstream) -> str:
    """The address that was called, and what is there."""
    what = "the application" if upstream.side is Side.CALLED else upstream.service
    where = entry.upstream_host
    return f"{what} at {where}" if what and where else what or where or "the upstream"


def _policy(details: str) -> str:
    """The policy in the details of a denied request, as Istio names the rules of Envoy's RBAC filter."""
    match = _POLICY.search(details)
    return f"{match['namespace']}/{match['name']}, rule {match['rule']} (from 0)" if match else details


def _token(details: str) -> str:
    match = _BRACES.search(details)
    return match["text"].replace("_", " ") if match else details


def as_json(summary: Summary) -> Mapping[str, object]:
    """The summary as a JSON document."""
    return {
        "failures": [
            {
                "count": count,
                "status": diagnosis.entry.status,
                "flags": [flag for flag in diagnosis.entry.response_flags.split(",") if flag],
                "details": diagnosis.entry.response_code_details,
                "method": diagnosis.entry.method,
                "authority": diagnosis.entry.authority,
                "path": diagnosis.entry.path,
                "cluster": diagnosis.entry.upstream_cluster,
                "loggedBy": diagnosis.upstream.side.name.lower(),
                "answeredByProxy": diagnosis.by_proxy,
                "meaning": diagnosis.meaning,
                "causes": list(diagnosis.causes),
                "lookAt": list(diagnosis.look),
                "page": diagnosis.page,
            }
            for diagnosis, count in summary.failures
        ],
        "successful": summary.successful,
        "unknownLines": summary.unknown,
    }
