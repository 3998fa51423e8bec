"""The fields of `expect`: each compares what is expected with an observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.formats.durations import nanoseconds
from localmesh.problems.fields import listed, quoted
from localmesh.route_tests.access import allowed_by, denied_by, tls
from localmesh.route_tests.answers import answer_text
from localmesh.route_tests.destinations import DestinationPattern, shown
from localmesh.route_tests.observation import Observation

Judge = Callable[[Any, Observation], str | None]
"""What was observed if it is not what is expected, else None."""
_NONE = "none"
_ABSENT = "absent"
_UNCHANGED = "as the application sets it"
_TOLERANCE = 0.005
"""Percents are compared as exactly as they are written: 33.33 is a third."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as expected."""

    field: str
    expected: str
    observed: str


def differences(expect: Mapping[str, Any], observation: Observation) -> list[Difference]:
    """The fields of `expect` that are not as expected."""
    out: list[Difference] = []
    for field, expected in expect.items():
        if field == "not":
            out += _negated(expected, observation)
        else:
            out += _differences(field, expected, expect, observation)
    return out


def _differences(
    field: str, expected: Any, expect: Mapping[str, Any], observation: Observation
) -> list[Difference]:
    if field == "weights":
        observed = _weights(expected, expect.get("destination"), observation)
    elif field in _NESTED:
        return [
            Difference(f"{field}.{name}", text(value), observed)
            for name, value in _entries(field, expected)
            if (observed := _NESTED[field](name, value, observation)) is not None
        ]
    else:
        observed = _JUDGES[field](expected, observation)
    return [] if observed is None else [Difference(field, text(expected), observed)]


def _negated(expected: Mapping[str, Any], observation: Observation) -> list[Difference]:
    """The fields of `not` that hold."""
    return [
        Difference(f"not.{field}", f"not {text(value)}", text(value))
        for field, value in expected.items()
        if not _differences(field, value, expected, observation)
    ]


def text(value: object) -> str:
    """A value as YAML writes it in one line, without quotes.

    >>> text({"v1": 80, "v2": 20}), text("logic/v1"), text(None)
    ('v1: 80, v2: 20', 'logic/v1', 'absent')
    """
    match value:
        case str():
            return value
        case None:
            return _ABSENT
        case Mapping() if value:
            return ", ".join(f"{key}: {_inner(inner)}" for key, inner in value.items())
        case Mapping():
            return _NONE
        case float():
            return f"{value:g}"
    return quoted(value)


def _inner(value: object) -> str:
    return f"{{{text(value)}}}" if isinstance(value, Mapping) else text(value)


# -- the route ---------------------------------------------------------------------------------------


def _destination(expected: Any, observation: Observation) -> str | None:
    pattern = DestinationPattern.of(expected)
    destinations = observation.destinations
    if not destinations:
        return answer_text(observation)
    missing = [destination for destination in destinations if observation.is_missing(destination)]
    if missing:
        return f"{shown(missing[0], pattern)}, which does not exist: {answer_text(observation)}"
    if pattern is not None and all(map(pattern.matches, destinations)):
        return None
    return listed(dict.fromkeys(shown(destination, pattern) for destination in destinations))


def _weights(expected: Mapping[str, float], destination: Any, observation: Observation) -> str | None:
    """The shares: of the subsets of `destination` if it is named, else of HOST/SUBSET."""
    parent = DestinationPattern.of(destination) if destination is not None else None
    total = sum(expected.values()) or 1
    wanted = {name: 100 * weight / total for name, weight in expected.items() if weight}
    shares: dict[str, float] = {}
    for target in observation.destinations:
        name = next((name for name in expected if _is_named(name, parent, target)), None)
        shown_name = target.subset if parent is not None and target.subset else shown(target)
        key = shown_name if name is None else name
        shares[key] = shares.get(key, 0.0) + target.percent
    if not shares:
        return answer_text(observation)
    if shares.keys() == wanted.keys() and all(
        abs(shares[name] - share) < _TOLERANCE for name, share in wanted.items()
    ):
        return None
    observed = ", ".join(f"{name}: {share:g}" for name, share in shares.items())
    subsets = {target.subset for target in observation.destinations}
    if parent is None and subsets & set(expected):
        return f"{observed} (write HOST/SUBSET, or add destination)"
    return observed


def _is_named(name: str, parent: DestinationPattern | None, target: Any) -> bool:
    if parent is not None:
        return bool(name == target.subset)
    pattern = DestinationPattern.of(name)
    return pattern is not None and pattern.matches(target)


def _virtual_service(expected: str, observation: Observation) -> str | None:
    rule = observation.rule
    name = rule.virtual_service if rule is not None else ""
    if expected == (name or _NONE) or expected == name.partition("/")[2]:
        return None
    return name or _NONE


def _route(expected: str, observation: Observation) -> str | None:
    rule = observation.rule
    name = rule.name if rule is not None else ""
    return None if expected == name else name or _NONE


def _redirect(expected: str, observation: Observation) -> str | None:
    answer = observation.explanation.answer
    location = answer.headers.get("location") if answer else None
    return None if location == expected else location or answer_text(observation)


# -- what the route does -----------------------------------------------------------------------------


def _timeout(expected: str, observation: Observation) -> str | None:
    observed = observation.actions.timeout or "0s"
    return None if _same_duration(expected, observed) else observed


def _same_duration(first: str, second: str) -> bool:
    return nanoseconds(first) == nanoseconds(second)


def _retries(expected: Any, observation: Observation) -> str | None:
    settings = observation.actions.retries or {}
    observed = {
        "attempts": settings.get("numRetries", 0),
        "perTryTimeout": settings.get("perTryTimeout", "0s"),
        "retryOn": _retry_on(settings),
    }
    wanted = {"attempts": expected} if isinstance(expected, int) else expected
    if all(_same_retries(name, value, observed[name]) for name, value in wanted.items()):
        return None
    return text(
        {name: observed[name] for name in wanted} if isinstance(expected, dict) else observed["attempts"]
    )


def _retry_on(settings: Mapping[str, Any]) -> str:
    """The conditions as a VirtualService writes them: codes among the names."""
    names = [name for name in settings.get("retryOn", "").split(",") if name]
    codes = [str(code) for code in settings.get("retriableStatusCodes") or ()]
    if codes:
        names = [name for name in names if name != "retriable-status-codes"]
    return ",".join((*names, *codes))


def _same_retries(name: str, expected: Any, observed: Any) -> bool:
    if name == "perTryTimeout":
        return _same_duration(expected, observed)
    if name == "retryOn":
        return _conditions(expected) == _conditions(observed)
    return bool(expected == observed)


def _conditions(retry_on: str) -> set[str]:
    """istiod adds `retriable-status-codes` to every list, which does nothing without codes."""
    return {name.strip() for name in retry_on.split(",")} - {"retriable-status-codes", ""}


def _fault(expected: Mapping[str, Any], observation: Observation) -> str | None:
    observed: dict[str, dict[str, Any]] = {}
    for fault in observation.actions.faults:
        if fault.status is not None:
            observed["abort"] = {"httpStatus": fault.status, "percentage": fault.percent}
        if fault.delay:
            observed["delay"] = {"fixedDelay": fault.delay, "percentage": fault.percent}
    same = observed.keys() == expected.keys() and all(
        _same_fault(field, value, observed[kind][field])
        for kind, fields in expected.items()
        for field, value in fields.items()
    )
    return None if same else text(observed)


def _same_fault(field: str, expected: Any, observed: Any) -> bool:
    if field == "percentage":
        return bool(abs(expected - observed) < _TOLERANCE)
    return _same_duration(expected, observed) if field == "fixedDelay" else bool(expected == observed)


def _mirror(expected: Any, observation: Observation) -> str | None:
    wanted = {expected: 100} if isinstance(expected, str) else expected
    observed = [(mirror.destination, mirror.percent) for mirror in observation.actions.mirrors]
    patterns = [(DestinationPattern.of(name), percent) for name, percent in wanted.items()]
    same = len(observed) == len(patterns) and all(
        any(
            pattern is not None and pattern.matches(target) and abs(percent - share) < _TOLERANCE
            for target, share in observed
        )
        for pattern, percent in patterns
    )
    return None if same else text({shown(target): share for target, share in observed})


# -- the request that arrives, and the answer --------------------------------------------------------


def _status(expected: int, observation: Observation) -> str | None:
    """An answer of the mesh for certain; 2xx: the request always arrives."""
    answers = observation.answers
    if 200 <= expected < 300 and not answers:
        return None
    return _unless_answered(observation, all(answer.status == expected for _, answer in answers))


def _response_flag(expected: str, observation: Observation) -> str | None:
    return _unless_answered(observation, all(answer.flag == expected for _, answer in observation.answers))


def _unless_answered(observation: Observation, as_expected: bool) -> str | None:
    """What happens otherwise, None if the mesh answers for certain and as expected."""
    is_certain = bool(observation.answers) and not observation.arriving
    return None if is_certain and as_expected else answer_text(observation)


def _request_value(field: str, expected: Any, observation: Observation) -> str | None:
    values = [message.path if field == "uri" else message.authority for message in observation.messages]
    return _unless_all(expected, values, observation)


def _header(field: str, expected: Any, observation: Observation) -> str | None:
    side, _, name = field.partition(".")
    if side == "request":
        values: list[Any] = [message.headers.get(name.lower()) for message in observation.messages]
    else:
        values = [headers.get(name.lower(), _UNCHANGED) for headers in observation.responses()]
    return _unless_all(expected, values, observation)


def _unless_all(expected: Any, values: list[Any], observation: Observation) -> str | None:
    if not values:
        return answer_text(observation)
    others = dict.fromkeys(text(value) for value in values if value != expected)
    return listed(others, "or") if others else None


def _traffic_policy(field: str, expected: Any, observation: Observation) -> str | None:
    policies = observation.traffic_policies()
    if not policies:
        return answer_text(observation)
    others = [policy.get(field) for policy in policies if not _contains(policy.get(field), expected)]
    return text(others[0]) if others else None


def _contains(observed: Any, expected: Any) -> bool:
    """Whether a block has all fields of another."""
    if isinstance(expected, dict):
        return isinstance(observed, Mapping) and all(
            _contains(observed.get(name), value) for name, value in expected.items()
        )
    return bool(observed == expected)


def _entries(field: str, expected: Mapping[str, Any]) -> list[tuple[str, Any]]:
    if field != "headers":
        return list(expected.items())
    return [
        (f"{side}.{name}", value) for side, headers in expected.items() for name, value in headers.items()
    ]


_JUDGES: Mapping[str, Judge] = {
    "destination": _destination,
    "virtualService": _virtual_service,
    "route": _route,
    "status": _status,
    "responseFlag": _response_flag,
    "redirect": _redirect,
    "timeout": _timeout,
    "retries": _retries,
    "fault": _fault,
    "mirror": _mirror,
    "tls": tls,
    "allowedBy": allowed_by,
    "deniedBy": denied_by,
}
_NESTED: Mapping[str, Callable[[str, Any, Observation], str | None]] = {
    "rewrite": _request_value,
    "headers": _header,
    "trafficPolicy": _traffic_policy,
}
