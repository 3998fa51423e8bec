"""Settings: every knob of a service is an environment variable, read once into a typed, frozen object."""

from __future__ import annotations

import math
import re
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

Value = TypeVar("Value")

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


class SettingsError(ValueError):
    """Environment variables have values the service cannot work with; the text names each of them."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how it is read, and the sentence that explains it in the README."""

    name: str
    read: Callable[[str], Any]
    explanation: str
    secret: bool = False

    def value(self, text: str) -> Any:
        """What `text` means; a ValueError says which variable, what was found and what was expected."""
        try:
            return self.read(text)
        except ValueError as error:
            found = "not usable" if self.secret else f'"{text}"'
            raise ValueError(f"{self.name} is {found}, expected {error}") from None


def variable(
    name: str,
    read: Callable[[str], Value],
    explanation: str,
    *,
    default: Value | None = None,
    default_factory: Callable[[], Value] | None = None,
    secret: bool = False,
) -> Any:
    """A dataclass field filled from the environment variable `name`; unset or empty means the default."""
    metadata = {"variable": Variable(name, read, explanation, secret)}
    if default_factory is not None:
        return field(default_factory=default_factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def identifier(text: str) -> str:
    """A name that can stand in the served-by header: letters, digits, dots, dashes, underscores."""
    if not _NAME.fullmatch(text):
        raise ValueError("a name of letters, digits, '.', '_' and '-'")
    return text


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        # Nine digits are enough for all we read, and Python refuses to convert thousands of them.
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """A reader of finite numbers from `low` to `high`, fractions included."""

    def read(text: str) -> float:
        expected = f"a number from {low:g} to {high:g}"
        try:
            value = float(text)
        except ValueError:
            raise ValueError(expected) from None
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(expected)
        return value

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    """A reader of one of a few words, in any case."""

    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text.lower()

    return read


def http_url(text: str) -> str:
    """An http or https address, without a slash at its end."""
    expected = "an address such as http://logic or http://127.0.0.1:8081"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError(expected)
    return text.rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What every service reads from its environment; a service with more of its own derives from it."""

    version: str = variable(
        "SERVICE_VERSION",
        identifier,
        "Version the service says it is, in `served-by` and `/about`.",
        default="v1",
    )
    pod: str = variable(
        "POD_NAME",
        identifier,
        "Name of the pod, in `served-by` and `/about`.",
        default_factory=socket.gethostname,
    )
    host: str = variable(
        "HOST",
        str,
        "Address to listen on; `127.0.0.1` outside of pods.",
        default="0.0.0.0",  # noqa: S104 - a pod's own network; probes and the sidecar come from outside of it
    )
    port: int = variable("PORT", whole_number(1, 65535), "Port of the service itself.", default=8080)
    metrics_port: int = variable(
        "METRICS_PORT",
        whole_number(1, 65535),
        "Port of `/metrics` and a second `/livez`; nothing else is served there.",
        default=9102,
    )
    threads: int = variable(
        "THREADS",
        whole_number(1, 1024),
        "Requests served at the same time; a hanging one holds a thread.",
        default=16,
    )
    log_level: str = variable(
        "LOG_LEVEL",
        one_of("debug", "info", "warning", "error"),
        "From `info` on there is one line per request, from `debug` on also for probes.",
        default="info",
    )
    shutdown_delay_seconds: float = variable(
        "SHUTDOWN_DELAY_SECONDS",
        number(0, 600),
        "How long a stopping service still serves while `/readyz` already fails.",
        default=0.0,
    )
    drain_seconds: float = variable(
        "DRAIN_SECONDS",
        number(0, 600),
        "How long requests under way may take after that, before they are cut off.",
        default=20.0,
    )
    otlp_endpoint: str | None = variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        http_url,
        "Where spans go (OTLP over HTTP); unset: no spans of its own, ids are passed on unchanged.",
        default=None,
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The settings these variables describe; raises one SettingsError that names every bad variable."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for each in fields(cls):
            known: Variable = each.metadata["variable"]
            text = environ.get(known.name, "").strip()
            if not text:
                continue
            try:
                values[each.name] = known.value(text)
            except ValueError as error:
                problems.append(str(error))
        # A bad variable stands at its default here, so that what is wrong with the others is found as well.
        settings = cls(**values)
        problems.extend(settings.contradictions())
        if problems:
            raise SettingsError("; ".join(problems))
        return settings

    def contradictions(self) -> Iterable[str]:
        """What is wrong with values that are each right alone; one sentence for each finding."""
        if self.port == self.metrics_port:
            yield f"PORT and METRICS_PORT are both {self.port}, expected two different ports"


def variables(settings: type[Settings]) -> Mapping[Variable, object]:
    """Every environment variable that `settings` reads, with its default; None for no fixed one."""
    return {
        each.metadata["variable"]: None if callable(each.default_factory) else each.default
        for each in fields(settings)
    }


SettingsType = TypeVar("SettingsType", bound=Settings)


def settings_or_exit(kind: type[SettingsType], service: str, environ: Mapping[str, str]) -> SettingsType:
    """The settings of `service`; wrong ones end the process: one line on stderr, status 2."""
    try:
        return kind.from_environment(environ)
    except SettingsError as error:
        sys.stderr.write(f"{service} cannot start: {error}\n")
        raise SystemExit(2) from None
