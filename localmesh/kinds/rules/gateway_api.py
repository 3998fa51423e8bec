"""What the Gateway API requires of its objects beyond their schemas.

The API server checks these as CEL rules of the custom resource definitions (Gateway API, "API Reference"). It
fills in defaults first, so an absent field counts as its default here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from localmesh.formats.durations import nanoseconds
from localmesh.kinds.rules.gateway_api_filters import distinct, filters, wrong
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

GROUP = "gateway.networking.k8s.io"

_HOSTNAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED_NAME = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]\Z"
)
_LONGEST_PREFIX = 252
_WITHOUT_TLS = ("HTTP", "TCP", "UDP")
_WITHOUT_HOSTNAME = ("TCP", "UDP")
_LITERAL_PATHS = ("Exact", "PathPrefix")
_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+\Z")
_NOT_IN_PATH = ("//", "/./", "/../", "%2f", "%2F", "#")
_NOT_AT_END = ("/..", "/.")
_GRPC_SERVICE = re.compile(r"\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*\Z", re.IGNORECASE)
_GRPC_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*\Z")
_MOST_MATCHES = 128


# -- Gateway and ListenerSet ---------------------------------------------------------------------------


def addresses(root: Field) -> Iterator[Problem]:
    """The addresses of a Gateway differ, and are what their types say."""
    entries = root.get("spec", "addresses")
    yield from distinct(entries, lambda entry: (_text(entry, "type", "IPAddress"), entry.get("value").text))
    for entry in entries.items():
        kind, value = _text(entry, "type", "IPAddress"), entry.get("value")
        name = (value.text or "").removeprefix("*.")
        if kind == "Hostname" and value.text and not _HOSTNAME.match(name):
            yield wrong(value, "a DNS name")
        if kind == "IPAddress" and value.text is not None and not _is_address(value.text):
            yield wrong(value, "an IP address")


def infrastructure(root: Field) -> Iterator[Problem]:
    """The labels and annotations for what a Gateway brings have qualified names."""
    for kind in ("labels", "annotations"):
        for name, field in root.get("spec", "infrastructure", kind).entries():
            if not _QUALIFIED_NAME.match(name) or len(name.partition("/")[0]) > _LONGEST_PREFIX:
                part = f"the name of the {kind[:-1]}"
                yield field.problem(
                    invalid.BAD_LABEL, part=part, found=f'"{name}"', expected="name or prefix/name"
                )


def listeners(root: Field) -> Iterator[Problem]:
    """Listeners have names of their own, a place of their own, and the TLS that their protocol needs."""
    entries = root.get("spec", "listeners")
    yield from distinct(entries, lambda entry: entry.get("name").text, name="name")
    yield from distinct(entries, _listener_place, what="port, protocol and hostname")
    for listener in entries.items():
        yield from _listener(listener)


def _listener_place(listener: Field) -> object:
    port = listener.get("port").integer
    if port is None:
        return None
    return port, listener.get("protocol").text, listener.get("hostname").text


def _listener(listener: Field) -> Iterator[Problem]:
    protocol, tls = listener.get("protocol").text, listener.get("tls")
    mode = _text(tls, "mode", "Terminate")
    if protocol in _WITHOUT_TLS and tls:
        yield wrong(tls, f"no tls with the protocol {protocol}", f"tls with the protocol {protocol}")
    if protocol == "TLS" and not tls:
        yield wrong(listener, "tls with a mode", "the protocol TLS without tls")
    if protocol == "HTTPS" and tls and mode != "Terminate":
        yield wrong(tls.get("mode"), "Terminate with the protocol HTTPS")
    if protocol in _WITHOUT_HOSTNAME and listener.get("hostname").text:
        yield wrong(listener.get("hostname"), f"no hostname with the protocol {protocol}")
    if tls and mode == "Terminate" and not len(tls.get("certificateRefs")) and not len(tls.get("options")):
        yield wrong(tls, "certificateRefs, or options", "mode Terminate without certificates")


def frontend_tls(root: Field) -> Iterator[Problem]:
    """A port has one entry in `tls.frontend.perPort`."""
    ports = root.get("spec", "tls", "frontend", "perPort")
    yield from distinct(ports, lambda entry: entry.get("port").integer, name="port")


# -- routes --------------------------------------------------------------------------------------------


def parents(root: Field) -> Iterator[Problem]:
    """The parents of a route differ: those that are one object in their `sectionName` or `port`."""
    first: dict[object, Field] = {}
    named: dict[object, Field] = {}
    for parent in root.get("spec", "parentRefs").items():
        target = (
            _text(parent, "group", GROUP),
            _text(parent, "kind", "Gateway"),
            *(parent.get(key).text or "" for key in ("namespace", "name")),
        )
        section, port = parent.get("sectionName").text or "", parent.get("port").integer or 0
        other = first.setdefault(target, parent)
        other_section = other.get("sectionName").text or ""
        if other is not parent and (
            bool(section) != bool(other_section) or bool(port) != bool(other.get("port").integer)
        ):
            yield wrong(parent, "a sectionName or port in each of them", "one parent twice")
        elif named.setdefault((target, section, port), parent) is not parent:
            yield wrong(parent, "another sectionName or port", "one parent twice")


def http_rules(root: Field) -> Iterator[Problem]:
    """The matches, filters, timeouts and backends of an HTTPRoute are what its API allows."""
    rules = root.get("spec", "rules")
    yield from distinct(rules, lambda rule: rule.get("name").text, name="name")
    yield from _few_matches(rules, default=1)
    for rule in rules.items():
        for match in rule.get("matches").items():
            yield from _http_path(match.get("path"))
            for name in ("headers", "queryParams"):
                yield from distinct(match.get(name), lambda entry: entry.get("name").text, name="name")
        yield from distinct(rule.get("retry", "codes"), lambda code: code.integer)
        yield from filters(rule)
        yield from _prefix_replacements(rule)
        yield from _timeouts(rule.get("timeouts"))
        if len(rule.get("backendRefs")) and any(
            entry.get("requestRedirect") for entry in rule.get("filters").items()
        ):
            yield wrong(rule.get("backendRefs"), "no backendRefs in a rule that redirects", "backendRefs")
        yield from _backends(rule)


def grpc_rules(root: Field) -> Iterator[Problem]:
    """The matches, filters and backends of a GRPCRoute are what its API allows."""
    rules = root.get("spec", "rules")
    yield from distinct(rules, lambda rule: rule.get("name").text, name="name")
    yield from _few_matches(rules, default=0)
    for rule in rules.items():
        for match in rule.get("matches").items():
            yield from _grpc_method(match.get("method"))
            yield from distinct(match.get("headers"), lambda entry: entry.get("name").text, name="name")
        yield from filters(rule)
        yield from _backends(rule)


def connection_rules(root: Field) -> Iterator[Problem]:
    """The rules of a TCPRoute or TLSRoute differ in their names, and their backends have ports."""
    rules = root.get("spec", "rules")
    yield from distinct(rules, lambda rule: rule.get("name").text, name="name")
    for rule in rules.items():
        yield from _backends(rule)


def tls_hostnames(root: Field) -> Iterator[Problem]:
    """The host names of a TLSRoute are DNS names, which may begin with `*.`."""
    for hostname in root.get("spec", "hostnames").items():
        name = (hostname.text or "").removeprefix("*.")
        if hostname.text is not None and (_is_address(name) or not _HOSTNAME.match(name)):
            yield wrong(hostname, "a DNS name, or *. and one")


def _few_matches(rules: Field, default: int) -> Iterator[Problem]:
    """A route has at most 128 matches; a rule without any has the `default` number."""
    count = sum(len(rule.get("matches")) if rule.get("matches") else default for rule in rules.items())
    if count > _MOST_MATCHES:
        yield wrong(rules, f"at most {_MOST_MATCHES} matches in all rules", f"{count} matches")


def _http_path(path: Field) -> Iterator[Problem]:
    kind, value = _text(path, "type", "PathPrefix"), path.get("value")
    text = _text(path, "value", "/")
    if not path or kind not in _LITERAL_PATHS:
        return
    if not text.startswith("/"):
        yield wrong(value, "a path that begins with /")
    elif any(part in text for part in _NOT_IN_PATH) or text.endswith(_NOT_AT_END):
        yield wrong(value, "a path without //, /./, /../, %2f and #, and without dots at its end")
    elif not _PATH.match(text):
        yield wrong(value, "a path of letters, digits, %-escapes and -/._~!$&'()*+,;=:@")


def _prefix_replacements(rule: Field) -> Iterator[Problem]:
    """A prefix can be replaced only in a rule with one match, by a prefix."""
    matches = list(rule.get("matches").items())
    is_prefix = len(matches) == 1 and _text(matches[0].get("path"), "type", "PathPrefix") == "PathPrefix"
    if is_prefix or not rule.get("matches"):
        return
    for owner in (rule, *rule.get("backendRefs").items()):
        for entry in owner.get("filters").items():
            for kind in ("requestRedirect", "urlRewrite"):
                if entry.get(kind, "path", "replacePrefixMatch"):
                    replaced = entry.get(kind, "path", "replacePrefixMatch")
                    yield wrong(replaced, "ReplacePrefixMatch in a rule with one match, by PathPrefix")


def _timeouts(timeouts: Field) -> Iterator[Problem]:
    request, backend = (timeouts.get(name).text for name in ("request", "backendRequest"))
    if request and backend and 0 < (nanoseconds(request) or 0) < (nanoseconds(backend) or 0):
        yield wrong(timeouts.get("backendRequest"), f"at most timeouts.request, which is {request}")


def _grpc_method(method: Field) -> Iterator[Problem]:
    service, name = method.get("service"), method.get("method")
    if method and not service and not name:
        yield wrong(method, "service or method", "neither service nor method")
    if _text(method, "type", "Exact") != "Exact":
        return
    if service.text is not None and not _GRPC_SERVICE.match(service.text):
        yield wrong(service, "the full name of a gRPC service")
    if name.text is not None and not _GRPC_METHOD.match(name.text):
        yield wrong(name, "the name of a gRPC method")


def _backends(rule: Field) -> Iterator[Problem]:
    for backend in rule.get("backendRefs").items():
        yield from filters(backend)
        yield from _service_port(backend)
    for owner in (rule, *rule.get("backendRefs").items()):
        for entry in owner.get("filters").items():
            yield from _service_port(entry.get("requestMirror", "backendRef"))


def _service_port(backend: Field) -> Iterator[Problem]:
    is_service = not _text(backend, "group", "") and _text(backend, "kind", "Service") == "Service"
    if backend and is_service and not backend.get("port"):
        yield backend.problem(
            invalid.MISSING_FIELD,
            name="port",
            why=", which a Service needs",
            remedy="add the port of the Service",
        )


# -- BackendTLSPolicy ----------------------------------------------------------------------------------


def backend_tls(root: Field) -> Iterator[Problem]:
    """A BackendTLSPolicy has certificates to trust, and its targets and names are complete."""
    yield from _targets(root.get("spec", "targetRefs"))
    validation = root.get("spec", "validation")
    references, known = validation.get("caCertificateRefs"), validation.get("wellKnownCACertificates")
    if validation and bool(len(references)) == bool(known.text):
        yield wrong(
            validation,
            "either caCertificateRefs or wellKnownCACertificates",
            "both" if known.text else "neither of them",
        )
    for name in validation.get("subjectAltNames").items():
        for kind, key in (("Hostname", "hostname"), ("URI", "uri")):
            if (name.get("type").text == kind) != bool(name.get(key).text):
                yield wrong(name, f"{key} with the type {kind}, and only with it")


def _targets(targets: Field) -> Iterator[Problem]:
    first: dict[object, Field] = {}
    named: dict[object, Field] = {}
    for target in targets.items():
        key = tuple(target.get(part).text for part in ("group", "kind", "name"))
        section = target.get("sectionName").text or ""
        other = first.setdefault(key, target)
        is_repeated = named.setdefault((key, section), target) is not target
        if is_repeated or bool(section) != bool(other.get("sectionName").text):
            yield wrong(target, "another sectionName", "one target twice")


# -- common --------------------------------------------------------------------------------------------


def _text(field: Field, key: str, default: str) -> str:
    """A text with its default; other types count as the default, for the schema reports them."""
    text = field.get(key).text
    return default if text is None else text


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
