"""What a chosen route does with a request: read from the Envoy route, in plain values."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from localmesh.explain.explanation import Answer, Fault, HeaderChange
from localmesh.explain.paths import normalized
from localmesh.explain.request import Message
from localmesh.explain.string_matchers import regex

Json = Mapping[str, Any]

REDIRECT_STATUS = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}
_FAULT = "envoy.filters.http.fault"
_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
_OPERATIONS = {"OVERWRITE_IF_EXISTS_OR_ADD": "set", "APPEND_IF_EXISTS_OR_ADD": "add"}
_WITHOUT_BODY = (204, 304)
_ON_RESET = frozenset({"5xx", "gateway-error", "reset"})
_ON_CONNECT_FAILURE = _ON_RESET | {"connect-failure"}
"""Conditions of retries, by what happens to a connection."""
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_COMMAND = re.compile(r"%(?:%|REQ\((?P<name>[^()?]+)(?:\?(?P<other>[^()?]+))?\)(?::(?P<length>\d+))?%)")


def percent_of(fraction: Json | None) -> float:
    """A FractionalPercent in percent; an absent one is 0."""
    if not fraction:
        return 0.0
    denominator = _DENOMINATORS[fraction.get("denominator", "HUNDRED")]
    return min(100.0, 100.0 * float(fraction.get("numerator", 0)) / denominator)


def faults_of(route: Json) -> tuple[Fault, ...]:
    """The faults that a route injects, the delay first, as in Envoy, with their odds."""
    settings = (route.get("typedPerFilterConfig") or {}).get(_FAULT) or {}
    faults: list[Fault] = []
    if "delay" in settings:
        delay = settings["delay"]
        faults.append(Fault(percent_of(delay.get("percentage")), delay=delay["fixedDelay"]))
    if "abort" in settings:
        abort = settings["abort"]
        faults.append(Fault(percent_of(abort.get("percentage")), status=abort["httpStatus"]))
    return tuple(faults)


def header_changes_of(*owners: Json) -> tuple[HeaderChange, ...]:
    """The header operations of a weighted cluster and its route: each removes, then sets, then adds."""
    return tuple(
        change for owner in owners for side in ("request", "response") for change in _of_side(owner, side)
    )


def _of_side(owner: Json, side: str) -> Iterator[HeaderChange]:
    for name in owner.get(f"{side}HeadersToRemove") or ():
        yield HeaderChange(side, "remove", name)
    entries = owner.get(f"{side}HeadersToAdd") or ()
    for entry in sorted(entries, key=lambda each: _OPERATIONS[each["appendAction"]] == "add"):
        header = entry["header"]
        yield HeaderChange(side, _OPERATIONS[entry["appendAction"]], header["key"], header["value"])


def response_changes(*owners: Json) -> tuple[HeaderChange, ...]:
    """The operations on the response, as they are written."""
    return tuple(change for owner in owners for change in _of_side(owner, "response"))


def with_values(changes: Iterable[HeaderChange], message: Message) -> Iterator[HeaderChange]:
    """Operations with their values for a request, as it was sent on; Envoy adds no header without a value.

    Blanks around a value are lost when it is received.
    """
    for change in changes:
        value = _formatted(change.value, message)
        if value or change.operation == "remove":
            yield replace(change, value=value.strip(" \t"))


def changed_headers(headers: Mapping[str, str], changes: Iterable[HeaderChange]) -> Mapping[str, str]:
    """Headers after operations on them."""
    changed = dict(headers)
    for change in changes:
        name = change.name.lower()
        before = changed.pop(name, None)
        if change.operation != "remove":
            added = change.operation == "add" and before is not None
            changed[name] = f"{before},{change.value}" if added else change.value
    return changed


def _requested(message: Message, owner: Json) -> Message:
    """The request after the operations on it: values may name headers, as they are after the removals."""
    changes = tuple(_of_side(owner, "request"))
    if not changes:
        return message
    removals = [change for change in changes if change.operation == "remove"]
    left = message.with_headers(changed_headers(message.headers, removals))
    valued = tuple(with_values(changes[len(removals) :], left))
    first_values = _first_values(message, (*removals, *valued))
    return replace(left, headers=changed_headers(left.headers, valued), first_values=first_values)


def _first_values(message: Message, changes: Iterable[HeaderChange]) -> Mapping[str, str]:
    """The first values of headers that have several after operations on them."""
    headers, first_values = dict(message.headers), dict(message.first_values)
    for change in changes:
        name = change.name.lower()
        if change.operation == "add" and name in headers:
            first_values.setdefault(name, headers[name])
        else:
            first_values.pop(name, None)
            headers.pop(name, None)
            headers |= {} if change.operation == "remove" else {name: change.value}
    return first_values


def _formatted(value: str, message: Message) -> str:
    """A value as Envoy writes it; commands that explain cannot know the value of stay as they are."""

    def text(command: re.Match[str]) -> str:
        if not command["name"]:
            return "%"
        found = message.first_value(command["name"])
        if found is None and command["other"]:
            found = message.first_value(command["other"])
        return (found or "")[: int(command["length"]) if command["length"] else None]

    return _COMMAND.sub(text, value) if "%" in value else value


def rewritten(message: Message, route: Json, weighted: Json | None = None) -> Message:
    """The request as a route sends it on: with its operations on headers, host and path."""
    action = route["route"]
    # Envoy applies those of the route after those of its weighted cluster
    authority = action.get("hostRewriteLiteral") or (weighted or {}).get("hostRewriteLiteral")
    return replace(
        _requested(_requested(message, weighted or {}), route),
        authority=authority or message.authority,
        path=normalized(rewritten_path(message.path, route["match"], action), message.normalization),
    )


def rewritten_path(path: str, match: Json, action: Json) -> str:
    """The path after a rewrite: of the matched prefix, of the whole path, or by a regular expression."""
    bare, query = _split(path)
    if action.get("prefixRewrite"):
        return _replaced_prefix(bare, match, action["prefixRewrite"]) + query
    if "regexRewrite" in action:
        rewrite = action["regexRewrite"]
        return str(regex(rewrite["pattern"]["regex"]).sub(rewrite["substitution"], bare)) + query
    return path


def redirected(message: Message, route: Json) -> Answer:
    """The answer of a route that redirects."""
    redirect = route["redirect"]
    scheme = redirect.get("schemeRedirect") or message.scheme
    host, port = _host_and_port(message.authority)
    if redirect.get("schemeRedirect") and port == _DEFAULT_PORTS.get(message.scheme):
        port = ""
    host = redirect.get("hostRedirect") or host
    if redirect.get("portRedirect"):
        port = str(redirect["portRedirect"])
    elif redirect.get("hostRedirect"):
        port = ""
    location = f"{scheme}://{host}{f':{port}' if port else ''}{_redirected_path(message.path, route)}"
    status = REDIRECT_STATUS[redirect.get("responseCode", "MOVED_PERMANENTLY")]
    headers = _without_body(
        changed_headers({"location": location}, with_values(response_changes(route), message))
    )
    return Answer(status, headers=headers, cause="the route redirects")


def _redirected_path(path: str, route: Json) -> str:
    redirect = route["redirect"]
    bare, query = _split(path)
    if redirect.get("prefixRewrite"):
        return _replaced_prefix(bare, route["match"], redirect["prefixRewrite"]) + query
    target = redirect.get("pathRedirect")
    if not target:
        return path
    return target if "?" in target else f"{target}{query}"


def direct_answer(message: Message, route: Json) -> Answer:
    """The answer of a route that answers itself."""
    response = route["directResponse"]
    body = response.get("body") or {}
    text = body.get("inlineString") or base64.b64decode(body.get("inlineBytes", "")).decode(errors="replace")
    text = "" if response["status"] in _WITHOUT_BODY else text
    headers = changed_headers({}, with_values(response_changes(route), message))
    headers = headers if text else _without_body(headers)
    return Answer(response["status"], headers=headers, body=text, cause="the route has a direct response")


def _without_body(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a response without a body: Envoy removes what describes one."""
    return {name: value for name, value in headers.items() if name != "content-type"}


def _replaced_prefix(bare: str, match: Json, rewrite: str) -> str:
    """The path with another prefix; a match on the whole path is replaced as a whole."""
    for kind in ("prefix", "pathSeparatedPrefix"):
        if kind in match:
            return str(rewrite) + bare[len(match[kind]) :]
    return str(rewrite)


def _split(path: str) -> tuple[str, str]:
    bare, mark, query = path.partition("?")
    return bare, mark + query


def _host_and_port(authority: str) -> tuple[str, str]:
    host, colon, port = authority.rpartition(":")
    return (host, port) if colon and port.isdigit() else (authority, "")


def is_retried(policy: Json | None, flag: str) -> bool:
    """Whether a retry policy tries again after a connection that failed (UF) or ended without an answer.

    Envoy: source/common/router/retry_state_impl.cc, `wouldRetryFromReset`.
    """
    if policy is None or policy.get("numRetries", 1) == 0:
        return False
    conditions = _ON_CONNECT_FAILURE if flag == "UF" else _ON_RESET
    return not conditions.isdisjoint(policy.get("retryOn", "").split(","))
