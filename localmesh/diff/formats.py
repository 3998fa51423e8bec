"""How values of Envoy's configuration are shown: durations, shares, names, conditions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from localmesh.formats.hostnames import SERVICE_DOMAIN
from localmesh.translate.formats import object_of_config

Json = Mapping[str, Any]

UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)
"""What happens if a value does not have the form that translations give it."""
_STRING_FORMS = {"exact": "= {}", "prefix": "= {}*", "suffix": "= *{}", "safeRegex": "~ {}"}
_HUNDRED = {"HUNDRED": 1, "TEN_THOUSAND": 100, "MILLION": 10_000}


def compact(value: Any) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def or_json(show: Callable[[Any], str]) -> Callable[[Any], str]:
    """The function, but for a value that it cannot read, because no translation writes it, the JSON."""

    @wraps(show)
    def shown(value: Any) -> str:
        try:
            return show(value)
        except UNREADABLE:
            return compact(value)

    return shown


def with_rest(text: str, document: Json, *shown: str) -> str:
    """The text, followed by the fields of the document that it does not show."""
    rest = {name: value for name, value in document.items() if name not in shown}
    return f"{text} {compact(rest)}" if rest else text


def seconds(text: str) -> str:
    """A duration of protobuf.

    >>> seconds("0.500s"), seconds("5s"), seconds("120s")
    ('500 ms', '5 s', '120 s')
    """
    number = float(text.removesuffix("s"))
    return f"{number:g} s" if number >= 1 or not number else f"{number * 1000:g} ms"


def limit(text: str) -> str:
    """A duration after which something ends; 0 means that it does not."""
    return "none" if float(text.removesuffix("s")) == 0 else seconds(text)


def percent(fraction: Json) -> str:
    """A share that is a fraction.

    >>> percent({"numerator": 125000, "denominator": "MILLION"})
    '12.5 %'
    """
    whole = _HUNDRED[fraction.get("denominator", "HUNDRED")]
    return f"{fraction.get('numerator', 0) / whole:g} %"


def short_host(host: str) -> str:
    """A host without the domain that all Services share.

    >>> short_host("logic.sentimesh.svc.cluster.local"), short_host("*")
    ('logic.sentimesh', 'any host')
    """
    return "any host" if host == "*" else host.removesuffix(f".{SERVICE_DOMAIN}")


def destination(cluster: str, host: str = "") -> str:
    """What a cluster leads to, as seen from the routes of a host.

    >>> destination("outbound|80|v2|logic.sentimesh.svc.cluster.local", "logic.sentimesh.svc.cluster.local")
    'v2'
    >>> destination("outbound|80|v2|logic.sentimesh.svc.cluster.local")
    'logic.sentimesh:80 v2'
    """
    direction, _, rest = cluster.partition("|")
    if direction != "outbound" or rest.count("|") != 2:
        return cluster
    port, subset, own = rest.split("|")
    if own == host and subset:
        return subset
    return f"{short_host(own)}:{port}{f' {subset}' if subset else ''}"


def config(text: str) -> str:
    """The object that a resource was made from.

    >>> config("/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web")
    'shop/web'
    """
    return object_of_config(text) or text


def string_match(matcher: Json) -> str:
    """A condition on a string.

    >>> string_match({"prefix": "a"}), string_match({"safeRegex": {"regex": "a|b"}})
    ('= a*', '~ a|b')
    """
    for name, template in _STRING_FORMS.items():
        if name in matcher:
            value = matcher[name]["regex"] if name == "safeRegex" else matcher[name]
            return with_rest(template.format(value), matcher, name)
    return compact(matcher)
