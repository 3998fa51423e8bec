"""Traffic policies of DestinationRules (istio: validateTrafficPolicy and what it calls)."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt

from localmesh.formats.durations import is_duration, nanoseconds
from localmesh.kinds.kind import REMOVE_FIELD
from localmesh.kinds.rules.client_tls import client_tls
from localmesh.kinds.rules.locality import locality_setting, zone_aware_setting
from localmesh.kinds.rules.metadata import entry_names
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

_BLOCKS = ("connectionPool", "loadBalancer", "outlierDetection", "tls")
_POLICY = (*_BLOCKS, "portLevelSettings", "proxyProtocol", "retryBudget", "tunnel")
_MOST_MAGLEV = 5_000_011


def traffic_policy(policy: Field) -> Iterator[Problem]:
    """A traffic policy of a rule or a subset, if there is one, is valid."""
    if not policy:
        return
    if not any(policy.get(block).value not in (None, []) for block in _POLICY):
        yield policy.problem(invalid.EMPTY_BLOCK, expected=listed(_POLICY))
    if policy.get("tunnel") and policy.get("proxyProtocol"):
        both = "tunnel and proxyProtocol"
        yield policy.problem(invalid.EXCLUSIVE_FIELDS, found=both, expected=both)
    yield from policy_blocks(policy)
    for entry in policy.get("portLevelSettings").items():
        yield from _port_policy(entry)


def _port_policy(entry: Field) -> Iterator[Problem]:
    if not entry.get("port"):
        yield entry.problem(
            invalid.MISSING_FIELD, name="port", why="", remedy="add port.number, the Service's port"
        )
    if not any(entry.get(block) for block in _BLOCKS):
        yield entry.problem(invalid.EMPTY_BLOCK, expected=listed(_BLOCKS))
    yield from policy_blocks(entry)


def policy_blocks(policy: Field) -> Iterator[Problem]:
    """The blocks of a traffic policy, or of the settings of one port, are valid."""
    if detection := policy.get("outlierDetection"):
        yield from _outlier_detection(detection)
    if pool := policy.get("connectionPool"):
        yield from connection_pool(pool)
    if balancer := policy.get("loadBalancer"):
        yield from _load_balancer(balancer)
    if tls := policy.get("tls"):
        yield from client_tls(tls)


def _outlier_detection(field: Field) -> Iterator[Problem]:
    for name in ("maxEjectionPercent", "minHealthPercent"):
        percent = field.get(name)
        if percent.integer is not None and not 0 <= percent.integer <= 100:
            yield percent.problem(invalid.BAD_PERCENTAGE, expected="a whole number from 0 to 100")
    failures = field.get("consecutiveLocalOriginFailures")
    if failures.integer and field.get("splitExternalLocalOriginErrors").value is not True:
        yield failures.problem(
            invalid.BAD_OUTLIER_DETECTION,
            expected="splitExternalLocalOriginErrors: true, without which it has no effect",
            remedy="add splitExternalLocalOriginErrors: true, or write consecutiveGatewayErrors",
        )


# -- connection pools --------------------------------------------------------------------------------

_LIMITS = (
    ("http", "http1MaxPendingRequests"),
    ("http", "http2MaxRequests"),
    ("http", "maxConcurrentStreams"),
    ("http", "maxRequestsPerConnection"),
    ("http", "maxRetries"),
    ("tcp", "maxConnections"),
)


def connection_pool(field: Field) -> Iterator[Problem]:
    """A connection pool is valid (istio: validateConnectionPool)."""
    if not field.get("http") and not field.get("tcp"):
        yield field.problem(invalid.EMPTY_BLOCK, expected="http and tcp")
    for block, name in _LIMITS:
        limit = field.get(block, name)
        if (limit.integer or 0) < 0:
            yield limit.problem(
                invalid.BAD_CONNECTION_POOL, expected="0 or more", remedy="write a number from 0"
            )
    http = field.get("http")
    if http.get("h2UpgradePolicy").text == "UPGRADE" and http.get("useClientProtocol").value is True:
        both = "h2UpgradePolicy UPGRADE and useClientProtocol"
        yield http.problem(invalid.EXCLUSIVE_FIELDS, found=both, expected=both)
    yield from _keepalive(http.get("http2KeepAlive"))
    yield from _idle_timeout(field.get("tcp", "idleTimeout"))


def _idle_timeout(timeout: Field) -> Iterator[Problem]:
    # The only timeout that may be 0, which turns it off; so the schema does not check it.
    if timeout.text is not None and nanoseconds(timeout.text) != 0 and not is_duration(timeout.text):
        expected = "a duration with its unit, in whole milliseconds, or 0s for none"
        yield timeout.problem(invalid.BAD_DURATION, expected=expected)


def _keepalive(field: Field) -> Iterator[Problem]:
    for name in ("interval", "timeout"):
        if field and not field.get(name):
            yield field.problem(
                invalid.MISSING_FIELD, name=name, why=", which HTTP/2 keepalive needs", remedy=f"add {name}"
            )


# -- load balancers ----------------------------------------------------------------------------------


def _load_balancer(field: Field) -> Iterator[Problem]:
    consistent_hash = field.get("consistentHash")
    yield from _cookie(consistent_hash.get("httpCookie"))
    for name in ("httpHeaderName", "httpQueryParameterName"):
        if consistent_hash.get(name).text == "":  # Istio accepts it, and then Envoy rejects all routes
            yield consistent_hash.get(name).problem(
                invalid.BAD_LOAD_BALANCER, expected="a name that is not empty", remedy="write the name"
            )
    yield from _maglev(consistent_hash)
    yield from locality_setting(field.get("localityLbSetting"))
    yield from zone_aware_setting(field.get("zoneAwareLbSetting"))
    if field.get("localityLbSetting") and field.get("zoneAwareLbSetting"):
        both = "localityLbSetting and zoneAwareLbSetting"
        yield field.problem(invalid.EXCLUSIVE_FIELDS, found=both, expected=both)


def _cookie(cookie: Field) -> Iterator[Problem]:
    if cookie.get("name").text == "":
        yield cookie.get("name").problem(
            invalid.BAD_LOAD_BALANCER,
            expected="the name of the cookie",
            remedy="write the name of the cookie",
        )
    for attribute in cookie.get("attributes").items():
        if attribute.get("name").text == "":
            yield attribute.get("name").problem(
                invalid.BAD_LOAD_BALANCER,
                expected="the name of the cookie attribute",
                remedy="write the name of the attribute, or remove the entry",
            )
    yield from entry_names(cookie.get("attributes"), what="the cookie attribute")
    ttl = cookie.get("ttl")
    lifetime = nanoseconds(ttl.text) if ttl.text is not None else 0
    if lifetime is None or lifetime < 0:  # Istio accepts negative ones, and then Envoy rejects all routes
        expected = "a duration with its unit, or 0s for a session cookie"
        yield ttl.problem(invalid.BAD_DURATION, expected=expected)


def _maglev(consistent_hash: Field) -> Iterator[Problem]:
    maglev = consistent_hash.get("maglev")
    if consistent_hash.get("minimumRingSize").integer and (maglev or consistent_hash.get("ringHash")):
        yield consistent_hash.problem(
            invalid.EXCLUSIVE_FIELDS,
            found="minimumRingSize and an algorithm",
            expected="minimumRingSize, maglev and ringHash",
        )
    if not maglev:
        return
    size = maglev.get("tableSize")
    number = size.integer or 0
    if number >= _MOST_MAGLEV or not is_prime(number):
        wrong = size or maglev
        yield wrong.problem(
            invalid.BAD_LOAD_BALANCER,
            found=f"a table of size {number}" if size else "no tableSize",
            expected=f"a prime number below {_MOST_MAGLEV}",
            remedy="write tableSize: 65537, which is prime, or use ringHash",
        )


def is_prime(number: int) -> bool:
    """Whether a number is prime; 1 counts, as it does for Envoy.

    >>> [number for number in range(12) if is_prime(number)]
    [1, 2, 3, 5, 7, 11]
    """
    if number < 4:
        return number > 0
    return number % 2 == 1 and all(number % factor for factor in range(3, isqrt(number) + 1, 2))


# -- what localmesh does not support -------------------------------------------------------------------

_UNSUPPORTED = {
    "tls.caCrl": REMOVE_FIELD,
}
_UNSUPPORTED_FOR_ALL_PORTS = {
    "proxyProtocol": REMOVE_FIELD,
    "tunnel": REMOVE_FIELD,
}


def unsupported_in_policies(*policies: str) -> dict[str, str]:
    """The unsupported fields of traffic policies at these paths, each with what to do instead."""
    fields: dict[str, str] = {}
    for policy in policies:
        everywhere = _UNSUPPORTED_FOR_ALL_PORTS | _UNSUPPORTED
        fields |= {f"{policy}.{path}": remedy for path, remedy in everywhere.items()}
        fields |= {f"{policy}.portLevelSettings[].{path}": remedy for path, remedy in _UNSUPPORTED.items()}
    return fields
