"""Host names as Istio accepts and resolves them (istio: pkg/config/validation/agent, pkg/config/host)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

SERVICE_DOMAIN = "svc.cluster.local"

_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?\Z")
_WILDCARD_LABEL = re.compile(r"(?:\*|(?:\*-?)?[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)\Z")
_PREFIX_LENGTH = re.compile(r"(?:0|[1-9][0-9]{0,2})\Z")
_LONGEST_NAME = 255
_LONGEST_LABEL = 63


def is_label(text: str) -> bool:
    """Whether the text is one label of a DNS name (RFC 1123, capitals allowed)."""
    return _LABEL.match(text) is not None


def is_domain(text: str) -> bool:
    """Whether the text is a DNS name without wildcards; it may end in a dot, not in a number."""
    *others, last = text.split(".")
    if not 0 < len(text) <= _LONGEST_NAME or last.isdecimal() or (not last and not others):
        return False
    return all(map(is_label, others)) and (not last or is_label(last))


def is_wildcard_domain(text: str) -> bool:
    """Whether the text is a DNS name whose first label may be or start with a wildcard."""
    first, dot, rest = text.partition(".")
    if len(text) > _LONGEST_NAME or len(first) > _LONGEST_LABEL or not _WILDCARD_LABEL.match(first):
        return False
    return not dot or not rest or is_domain(rest)


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_prefix(text: str) -> bool:
    """Whether the text is a range of IP addresses with the length of its prefix.

    >>> is_prefix("10.0.0.0/8"), is_prefix("10.0.0.0/255.0.0.0"), is_prefix("10.0.0.0")
    (True, False, False)
    """
    address, slash, length = text.partition("/")
    if not slash or not is_address(address) or "%" in address or not _PREFIX_LENGTH.match(length):
        return False
    return int(length) <= ip_address(address).max_prefixlen


def overlap(one: str, other: str) -> bool:
    """Whether some host matches both.

    >>> overlap("*.com", "shop.com"), overlap("*.com", "*.shop.com"), overlap("shop.com", "*.shop.com")
    (True, True, False)
    """
    if one.startswith("*") and other.startswith("*"):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    if one.startswith("*"):
        return other.endswith(one[1:])
    if other.startswith("*"):
        return one.endswith(other[1:])
    return one == other


def first_overlaps(hosts: Sequence[str]) -> Iterator[int | None]:
    """For each host, the index of the first of the earlier ones that overlaps with it, if any does.

    It compares no pairs: of 20,000 hosts there are 200 million, which took minutes.

    >>> list(first_overlaps(["a.com", "b.com", "*.com", "b.com", "*.net"]))
    [None, None, 0, 1, None]
    """
    wildcard_ends = {host[1:] for host in hosts if host.startswith("*")}
    lengths = {len(end) for end in wildcard_ends}
    exact: dict[str, int] = {}
    wildcards: dict[str, int] = {}  # by what follows the *
    ending: dict[str, int] = {}  # the first host of either form that ends like this
    for index, host in enumerate(hosts):
        name = host.removeprefix("*")
        is_wildcard = name != host
        ends = wildcard_ends.intersection(
            name[len(name) - length :] for length in lengths if length <= len(name)
        )
        earlier = [wildcards.get(end) for end in ends]
        earlier.append(ending.get(name) if is_wildcard else exact.get(name))
        yield min((position for position in earlier if position is not None), default=None)
        (wildcards if is_wildcard else exact).setdefault(name, index)
        for end in ends:
            ending.setdefault(end, index)


def is_subset(name: str, host: str) -> bool:
    """Whether a host matches everything that a name matches (istio: host.Name.SubsetOf).

    >>> is_subset("shop.com", "*.com"), is_subset("*.shop.com", "*.com"), is_subset("*.com", "shop.com")
    (True, True, False)
    """
    if not host.startswith("*"):
        return name == host
    if name.startswith("*"):
        return len(name) >= len(host) and name[1:].endswith(host[1:])
    return name.endswith(host[1:])


def service_host(name: str, namespace: str) -> str:
    """The fully qualified name of a Kubernetes Service: ``name.namespace.svc.cluster.local``."""
    return f"{name}.{namespace}.{SERVICE_DOMAIN}"


def full_host(host: str, namespace: str) -> str:
    """The full host name that a name in an object of this namespace stands for.

    A name without a dot is a Service of that namespace; anything else stands for itself
    (Istio, "Virtual Service", `hosts`; "Destination", `host`). Capitals stay: names of Services have none.

    >>> full_host("logic", "sentimesh"), full_host("logic.other", "sentimesh")
    ('logic.sentimesh.svc.cluster.local', 'logic.other')
    """
    if "." in host or host.startswith("*"):
        return host.removesuffix(".")
    return service_host(host, namespace)
