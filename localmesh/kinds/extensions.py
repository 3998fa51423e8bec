"""WasmPlugin and TrafficExtension: their records and what Istio requires of them.

istio: pkg/config/validation/validation.go, ValidateWasmPlugin and ValidateTrafficExtension.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.kinds.kind import Kind
from localmesh.kinds.rules.istio import policy_selector, targets
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field, quoted

_GROUP = "extensions.istio.io"
_LOCAL = "file:///"
_PULLED = "nothing is pulled here"
_LONGEST_SCRIPT = 65536
_URL = re.compile(r"(?:[^%\x00-\x1f\x7f]|%[0-9A-Fa-f]{2})*\Z")
_SUPPORTED_TYPES = ("HTTP", "UNSPECIFIED_PLUGIN_TYPE")


def kind_of_filter(root: Field) -> Iterator[Problem]:
    """A TrafficExtension is a module or a script."""
    spec = root.get("spec")
    written = [name for name in ("wasm", "lua") if spec.get(name).value is not None]
    if not written:
        yield spec.problem(invalid.MISSING_FIELD, name="wasm or lua", why="", remedy="write one of them")


def script(root: Field) -> Iterator[Problem]:
    """A script has at most 64 KiB, of which characters can have several bytes."""
    code = root.get("spec", "lua", "inlineCode")
    length = len((code.text or "").encode(errors="replace"))
    if length > _LONGEST_SCRIPT:
        yield code.problem(
            invalid.OUT_OF_RANGE,
            found=f"{length:,} bytes",
            expected=f"at most {_LONGEST_SCRIPT:,}",
            remedy="shorten the script",
        )


def addresses(root: Field) -> Iterator[Problem]:
    """The address of a module is a URL, without control characters and with complete escapes."""
    for config in modules(root):
        url = config.get("url")
        if url.text and not _URL.match(url.text):
            yield url.problem(invalid.BAD_ENTRY, expected="a URL", remedy=f"write {_LOCAL} and a path")


def variables(root: Field) -> Iterator[Problem]:
    """Each variable of the module is there once, and has a value or takes that of the proxy."""
    for config in modules(root):
        first: dict[str, Field] = {}
        for entry in config.get("vmConfig", "env").items():
            name = entry.get("name")
            if name.text and first.setdefault(name.text, name) is not name:
                yield name.problem(
                    invalid.DUPLICATE_ENTRY,
                    what="the variable",
                    found=quoted(name.text),
                    first=first[name.text].path,
                )
            if entry.get("valueFrom").text == "HOST" and entry.get("value").text:
                yield entry.get("value").problem(
                    invalid.BAD_ENTRY,
                    expected="no value, because it is that of the proxy (valueFrom: HOST)",
                    remedy="remove one of the two fields",
                )


def local_module(root: Field) -> Iterator[Problem]:
    """The module is a file of this machine: localmesh pulls none."""
    for config in modules(root):
        url = config.get("url")
        if url.text and not url.text.startswith(_LOCAL):
            yield url.problem(
                unsupported.VALUE_NOT_SUPPORTED,
                found=quoted(url.text),
                expected=f"modules of this machine ({_LOCAL}PATH)",
                remedy=f"download the module, and write {_LOCAL} and its path for local runs",
            )


def ports_of_callers(root: Field) -> Iterator[Problem]:
    """Ports are those of the application or of gateways: sidecars send requests to all ports through one."""
    spec = root.get("spec")
    if spec.get("targetRef") or len(spec.get("targetRefs")):
        return
    for match in spec.get("match").items():
        if len(match.get("ports")) and match.get("mode").text != "SERVER":
            yield match.get("ports").problem(
                unsupported.VALUE_NOT_SUPPORTED,
                found="ports of requests that sidecars send",
                expected="those of requests that they receive (mode: SERVER), and of gateways in targetRefs",
                remedy="write mode: SERVER, or remove the ports for local runs",
            )


def modules(root: Field) -> tuple[Field, ...]:
    """Where an object of either kind describes a module."""
    spec = root.get("spec")
    return tuple(field for field in (spec, spec.get("wasm")) if field.get("url"))


def module_path(url: str) -> str:
    """The file of a local module.

    >>> module_path("file:///opt/filter.wasm")
    '/opt/filter.wasm'
    """
    return url.removeprefix("file://")


def _at(prefix: str) -> dict[str, str]:
    """The fields about pulling modules, which have no effect."""
    fields = {"sha256": _PULLED, "imagePullPolicy": _PULLED, "imagePullSecret": _PULLED}
    return {f"{prefix}.{name}": reason for name, reason in fields.items()} | {
        f"{prefix}.verificationKey": "Istio does not read it"
    }


WASM_PLUGIN = Kind(
    group=_GROUP,
    name="WasmPlugin",
    versions=("v1alpha1",),
    plural="wasmplugins",
    rules=(policy_selector, targets, addresses, variables),
    support_rules=(local_module, ports_of_callers),
    supported_values={"spec.type": _SUPPORTED_TYPES},
    ineffective_fields=_at("spec"),
)
TRAFFIC_EXTENSION = Kind(
    group=_GROUP,
    name="TrafficExtension",
    versions=("v1alpha1",),
    plural="trafficextensions",
    rules=(policy_selector, targets, kind_of_filter, script, addresses, variables),
    support_rules=(local_module, ports_of_callers),
    supported_values={"spec.wasm.type": _SUPPORTED_TYPES},
    ineffective_fields=_at("spec.wasm"),
)
