"""Settings: every setting of a service is an environment variable, read once into a typed, frozen object."""

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
    """Environment variables have invalid values; the message names each of them."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how to parse it, and the sentence that explains it in the README."""

    name: str
    read: Callable[[str], Any]
    explanation: str
    secret: bool = False

    def value(self, text: str) -> Any:
        """Parse `text`; raises a ValueError with the variable, the actual and the expected value."""
        try:
            return self.read(text)
        except ValueError as error:
            actual = "not usable" if self.secret else f'"{text}"'
            raise ValueError(f"{self.name} is {actual}, expected {error}") from None


def variable(
    name: str,
    read: Callable[[str], Value],
    explanation: str,
    *,
    default: Value | None = None,
    default_factory: Callable[[], Value] | None = None,
    secret: bool = False,
) -> Any:
    """A dataclass field read from the environment variable `name`; unset or empty means the default."""
    metadata = {"variable": Variable(name, read, explanation, secret)}
    if default_factory is not None:
        return field(default_factory=default_factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def identifier(text: str) -> str:
    """Parse a name that is valid in the served-by header: letters, digits, dots, dashes, underscores."""
    if not _NAME.fullmatch(text):
        raise ValueError("a name of letters, digits, '.', '_' and '-'")
    return text


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        # Nine digits are enough for every setting, and Python refuses to convert thousands of them.
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of finite numbers from `low` to `high`, including fractions."""

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
    """A parser of one of these words, ignoring case."""

    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text.lower()

    return read


def http_url(text: str) -> str:
    """Parse an http or https URL; a slash at its end is removed."""
    expected = "a URL such as http://logic or http://127.0.0.1:8081"
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
    """The settings of every service; a service with further settings derives from this class."""

    version: str = variable(
        "SERVICE_VERSION",
        identifier,
        "Version of the service, in `served-by` and `/about`.",
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
        "Address to listen on; use `127.0.0.1` outside of pods.",
        default="0.0.0.0",  # noqa: S104 - inside a pod; probes and the sidecar connect from outside of the process
    )
    port: int = variable("PORT", whole_number(1, 65535), "Port of the service.", default=8080)
    metrics_port: int = variable(
        "METRICS_PORT",
        whole_number(1, 65535),
        "Port of `/metrics` and a second `/livez`; nothing else is served there.",
        default=9102,
    )
    threads: int = variable(
        "THREADS",
        whole_number(1, 1024),
        "Number of concurrent requests; a hanging request occupies a thread.",
        default=16,
    )
    log_level: str = variable(
        "LOG_LEVEL",
        one_of("debug", "info", "warning", "error"),
        "`info` logs one line per request, `debug` also logs probes.",
        default="info",
    )
    shutdown_delay_seconds: float = variable(
        "SHUTDOWN_DELAY_SECONDS",
        number(0, 600),
        "How long a stopping service keeps accepting requests while `/readyz` fails.",
        default=0.0,
    )
    drain_seconds: float = variable(
        "DRAIN_SECONDS",
        number(0, 600),
        "How long the requests in progress may take after that, before they are aborted.",
        default=20.0,
    )
    otlp_endpoint: str | None = variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        http_url,
        "Where to export spans (OTLP over HTTP). Unset: no spans, and ids are propagated unchanged.",
        default=None,
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from these variables; raises one SettingsError naming every invalid variable."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for setting in fields(cls):
            known: Variable = setting.metadata["variable"]
            text = environ.get(known.name, "").strip()
            if not text:
                continue
            try:
                values[setting.name] = known.value(text)
            except ValueError as error:
                problems.append(str(error))
        # Invalid variables have their defaults here, so that contradictions of the others are found, too.
        settings = cls(**values)
        problems.extend(settings.contradictions())
        if problems:
            raise SettingsError("; ".join(problems))
        return settings

    def contradictions(self) -> Iterable[str]:
        """One sentence for each combination of values that is invalid although each value is valid."""
        if self.port == self.metrics_port:
            yield f"PORT and METRICS_PORT are both {self.port}, expected two different ports"


def variables(settings: type[Settings]) -> Mapping[Variable, object]:
    """Every environment variable that `settings` reads, with its default; None if it has no fixed one."""
    return {
        setting.metadata["variable"]: None if callable(setting.default_factory) else setting.default
        for setting in fields(settings)
    }


SettingsType = TypeVar("SettingsType", bound=Settings)


def settings_or_exit(kind: type[SettingsType], service: str, environ: Mapping[str, str]) -> SettingsType:
    """Read the settings of `service`; invalid ones end the process with one line on stderr and status 2."""
    try:
        return kind.from_environment(environ)
    except SettingsError as error:
        sys.stderr.write(f"{service} cannot start: {error}\n")
        raise SystemExit(2) from None
