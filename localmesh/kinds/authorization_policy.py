"""AuthorizationPolicy: its record and what Istio requires of it (istio: ValidateAuthorizationPolicy)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from localmesh.kinds.kind import SECURITY, SECURITY_VERSIONS, Kind
from localmesh.kinds.rules.istio import policy_selector, targets
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field, quoted

_KEYS = (
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
)
_OF_TOKENS = "request.auth."
_KEYS_OF_CALLERS = ("source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal")
_OF_CALLERS = tuple(
    name
    for field in ("Namespaces", "ServiceAccounts", "TrustDomains", "Principals", "RequestPrincipals")
    for name in (f"{field[0].lower()}{field[1:]}", f"not{field}")
)
_KEYS_WITH_NAME = ("request.headers", "request.auth.claims")
_NAMED = re.compile(r"([a-z.]+)\[.+\]\Z")
_METADATA = re.compile(r"experimental\.envoy\.filters\..*\[.+\]\Z")
_SEGMENT = re.compile(r"[a-zA-Z0-9\-._~%!$&'()+,;:@=]+\Z")
_BOOLEANS = ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False")
_LONGEST_ACCOUNT = 320
_MOST_ACCOUNTS = 16


def action(root: Field) -> Iterator[Problem]:
    """A DENY or CUSTOM policy without rules would do nothing."""
    spec = root.get("spec")
    written = spec.get("action").text
    if written in ("DENY", "CUSTOM") and not len(spec.get("rules")):
        does = "denies nothing" if written == "DENY" else "asks about nothing"
        yield spec.problem(
            invalid.BAD_POLICY,
            found=f"action {written} without rules, which {does}",
            expected="rules",
            remedy="add rules; the empty rule {} matches every request",
        )


def provider(root: Field) -> Iterator[Problem]:
    """CUSTOM policies name an authorizer, and their rules know nothing of who calls by identity or token."""
    spec = root.get("spec")
    is_custom = spec.get("action").text == "CUSTOM"
    if spec.get("provider") and not is_custom:
        yield spec.get("provider").problem(
            invalid.BAD_POLICY,
            expected="no provider without action CUSTOM",
            remedy="remove it, or write CUSTOM",
        )
    if is_custom and len(spec.get("rules")) and not spec.get("provider", "name").text:
        remedy = "add the name of one of the mesh's extensionProviders"
        yield spec.problem(
            invalid.MISSING_FIELD, name="provider.name", why=", which action CUSTOM needs", remedy=remedy
        )
    for rule in spec.get("rules").items() if is_custom else ():
        sources = (origin.get("source", name) for origin in rule.get("from").items() for name in _OF_CALLERS)
        keys = (condition.get("key") for condition in rule.get("when").items())
        wrong = (
            key for key in keys if key.text in _KEYS_OF_CALLERS or (key.text or "").startswith(_OF_TOKENS)
        )
        for field in (*(source for source in sources if len(source)), *wrong):
            yield field.problem(
                invalid.BAD_POLICY,
                found=quoted(field.value),
                expected="no condition on identities or tokens in a CUSTOM policy",
                remedy="write the condition in a policy with action ALLOW or DENY",
            )


def dry_run(root: Field) -> Iterator[Problem]:
    """Only ALLOW and DENY policies can be tried without effect (istio: checkDryRunAnnotation)."""
    annotation = root.get("metadata", "annotations", "istio.io/dry-run")
    if annotation.text is None:
        return
    if root.get("spec", "action").text in ("CUSTOM", "AUDIT"):
        yield annotation.problem(
            invalid.BAD_POLICY,
            found=f"a dry run of action {root.get('spec', 'action').text}",
            expected="ALLOW or DENY, the actions that have dry runs",
            remedy="remove the annotation",
        )
    elif annotation.text not in _BOOLEANS:
        yield annotation.problem(
            invalid.BAD_POLICY,
            found=quoted(annotation.value),
            expected='"true" or "false"',
            remedy="correct the value",
        )


def rules(root: Field) -> Iterator[Problem]:
    """Sources, operations and conditions are not empty, and their values are valid."""
    for rule in root.get("spec", "rules").items():
        for block, inner in (("from", "source"), ("to", "operation")):
            for entry in rule.get(block).items():
                yield from _block(entry, inner)
        for condition in rule.get("when").items():
            yield from _condition(condition)


def _block(entry: Field, inner: str) -> Iterator[Problem]:
    block = entry.get(inner)
    if not any(len(value) for _, value in block.entries()):
        yield entry.problem(
            invalid.BAD_POLICY,
            found=f"an empty {inner}",
            expected=f"a field of {inner}",
            remedy=f"add a field of {inner}, or remove the entry",
        )
    for name, values in block.entries():
        yield from _values(
            values, _check_of(name.removeprefix("not")[:1].lower() + name.removeprefix("not")[1:])
        )
    accounts = len(block.get("serviceAccounts")) + len(block.get("notServiceAccounts"))
    others = ("principals", "notPrincipals", "namespaces", "notNamespaces")
    if accounts and any(len(block.get(other)) for other in others):
        words = "serviceAccounts and principals or namespaces"
        yield block.problem(invalid.EXCLUSIVE_FIELDS, found=words, expected=words)


def _condition(condition: Field) -> Iterator[Problem]:
    key = condition.get("key")
    if key.text is None:
        return
    named = _NAMED.match(key.text)
    known = key.text in _KEYS or (named is not None and named[1] in _KEYS_WITH_NAME)
    if not known and not _METADATA.match(key.text):
        yield key.problem(
            invalid.BAD_POLICY,
            found=quoted(key.value),
            expected=f"one of {', '.join(_KEYS)}, request.headers[…] and request.auth.claims[…]",
            remedy="correct the key",
        )
    if not len(condition.get("values")) and not len(condition.get("notValues")):
        yield condition.problem(
            invalid.MISSING_FIELD, name="values", why="", remedy="add values or notValues"
        )
    for block in ("values", "notValues"):
        yield from _values(condition.get(block), _check_of(key.text))


_Check = Callable[[str], str]


def _values(values: Field, check: _Check) -> Iterator[Problem]:
    for value in values.items():
        if value.text is None:
            continue
        expected = check(value.text) if value.text else "a value that is not empty"
        if expected:
            yield value.problem(
                invalid.BAD_POLICY, found=quoted(value.value), expected=expected, remedy="correct the value"
            )
    if len(values) > _MOST_ACCOUNTS and check is _account:
        yield values.problem(
            invalid.OUT_OF_RANGE,
            found=f"{len(values)} ServiceAccounts",
            expected=f"at most {_MOST_ACCOUNTS}",
            remedy="use namespaces instead",
        )


def _address(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return "an IP address or a range such as 10.0.0.0/8"
    return ""


def _port(value: str) -> str:
    return "" if value.isdecimal() and int(value) <= 65535 else "a port from 0 to 65535"


def _account(value: str) -> str:
    parts = value.split("/")
    right = len(parts) <= 2 and all(parts) and "*" not in value and len(value) <= _LONGEST_ACCOUNT
    return "" if right else "a ServiceAccount or namespace/ServiceAccount, without wildcards"


def _domain(value: str) -> str:
    stars = value.count("*")
    at_an_end = not stars or value.startswith("*") or value.endswith("*")
    right = stars <= 1 and at_an_end and "/" not in value
    return "" if right else "a trust domain, with at most one wildcard, at the start or the end"


def _path(value: str) -> str:
    """Braces stand for whole segments: `{*}` for one, `{**}` for any number, as the last template."""
    segments = value.strip("/").split("/")
    templates = [index for index, segment in enumerate(segments) if segment in ("{*}", "{**}")]
    others = [segment for segment in segments if segment not in ("{*}", "{**}")]
    if any("{" in segment or "}" in segment for segment in others):
        return "braces only in the whole segments {*} and {**}"
    if "{**}" in segments and templates[-1] != segments.index("{**}"):
        return "{**} as the last template"
    if templates and not all(_SEGMENT.match(segment) for segment in others):
        return "segments other than {*} and {**} without wildcards"
    return ""


_CHECKS: dict[str, _Check] = {
    "ipBlocks": _address,
    "remoteIpBlocks": _address,
    "source.ip": _address,
    "remote.ip": _address,
    "destination.ip": _address,
    "ports": _port,
    "destination.port": _port,
    "serviceAccounts": _account,
    "source.serviceAccount": _account,
    "trustDomains": _domain,
    "source.trustDomain": _domain,
    "paths": _path,
}


def _check_of(name: str) -> _Check:
    return _CHECKS.get(name, lambda _: "")


def metadata_conditions(root: Field) -> Iterator[Problem]:
    """localmesh has no conditions on the metadata of Envoy's filters."""
    for rule in root.get("spec", "rules").items():
        for condition in rule.get("when").items():
            key = condition.get("key")
            if _METADATA.match(key.text or ""):
                yield key.problem(
                    unsupported.VALUE_NOT_SUPPORTED,
                    expected=f"{', '.join(_KEYS)}, request.headers[…] and request.auth.claims[…]",
                    remedy="write another condition for local runs, or run on a cluster",
                )


AUTHORIZATION_POLICY = Kind(
    group=SECURITY,
    name="AuthorizationPolicy",
    versions=SECURITY_VERSIONS,
    plural="authorizationpolicies",
    short_names=("ap",),
    rules=(policy_selector, targets, action, provider, dry_run, rules),
    support_rules=(metadata_conditions,),
)
