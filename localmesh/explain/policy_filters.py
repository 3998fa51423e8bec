"""The decision of Envoy's RBAC filters about a request."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from localmesh.explain.claims import claims_match
from localmesh.explain.request import Message
from localmesh.explain.route_tables import header_matches
from localmesh.explain.string_matchers import string_matches

Json = Mapping[str, Any]


class Inspected(NamedTuple):
    """What the filters look at: the request, where it was accepted, and the claims of a valid token."""

    message: Message
    listen_address: str
    listen_port: int
    claims: Json | None = None


def matching_policies(rules: Json, inspected: Inspected) -> list[str]:
    """The names of the policies of a filter that match, in Envoy's order, which is alphabetical."""
    return [name for name in sorted(rules["policies"]) if policy_matches(rules["policies"][name], inspected)]


def policy_matches(policy: Json, inspected: Inspected) -> bool:
    """Whether any permission and any principal of a policy matches."""
    return any(permits(permission, inspected) for permission in policy["permissions"]) and any(
        permits(principal, inspected) for principal in policy["principals"]
    )


def permits(matcher: Json, inspected: Inspected) -> bool:
    """Whether a permission or a principal matches."""
    ((kind, value),) = matcher.items()
    return _MATCHERS[kind](value, inspected)


def path_permission(value: Json, inspected: Inspected) -> bool:
    """Whether the path without its query matches."""
    return string_matches(value["path"], inspected.message.bare_path)


_PATH_CHARACTERS = r"a-zA-Z0-9\-._~%!$&'()+,;:@="


@lru_cache(maxsize=512)
def template_pattern(template: str) -> re.Pattern[str]:
    """A path template as a regular expression: `*` is one segment, `**` any number of them.

    They stand for the characters of paths only (Envoy: uri_template_lib, `toRegexPattern`).
    """
    parts = re.split(r"(\*\*?)", template)
    forms = {"*": f"[{_PATH_CHARACTERS}]+", "**": f"[{_PATH_CHARACTERS}/]*"}
    return re.compile("".join(forms.get(part, re.escape(part)) for part in parts))


def _is_in(block: Json, address: str) -> bool:
    try:
        network = ipaddress.ip_network(f"{block['addressPrefix']}/{block['prefixLen']}", strict=False)
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


def remote_address(message: Message) -> str:
    """The address of the client: the last that a proxy has added to `x-forwarded-for`, else the sender's."""
    forwarded = message.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return forwarded or message.address


def _authenticated(value: Json, inspected: Inspected) -> bool:
    identity = inspected.message.identity
    return bool(identity) and string_matches(value["principalName"], identity)


_Matcher = Callable[[Any, Inspected], bool]
_MATCHERS: Mapping[str, _Matcher] = {
    "any": lambda value, _: bool(value),
    "andRules": lambda value, inspected: all(permits(each, inspected) for each in value["rules"]),
    "orRules": lambda value, inspected: any(permits(each, inspected) for each in value["rules"]),
    "notRule": lambda value, inspected: not permits(value, inspected),
    "andIds": lambda value, inspected: all(permits(each, inspected) for each in value["ids"]),
    "orIds": lambda value, inspected: any(permits(each, inspected) for each in value["ids"]),
    "notId": lambda value, inspected: not permits(value, inspected),
    "header": lambda value, inspected: header_matches(value, inspected.message.header(value["name"])),
    "urlPath": path_permission,
    "uriTemplate": lambda value, inspected: bool(
        template_pattern(value["typedConfig"]["pathTemplate"]).fullmatch(inspected.message.bare_path)
    ),
    "destinationIp": lambda value, inspected: _is_in(value, inspected.listen_address),
    "destinationPort": lambda value, inspected: bool(value == inspected.listen_port),
    "requestedServerName": lambda value, inspected: string_matches(value, inspected.message.server_name),
    "authenticated": _authenticated,
    "directRemoteIp": lambda value, inspected: _is_in(value, inspected.message.address),
    "remoteIp": lambda value, inspected: _is_in(value, remote_address(inspected.message)),
    "metadata": lambda value, inspected: claims_match(value, inspected.claims),
}
