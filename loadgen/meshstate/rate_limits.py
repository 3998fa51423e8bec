"""The limits of requests that EnvoyFilters put into a service's sidecars (Istio, "Enabling Rate Limits")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.meshstate.resources import NotConfigured, Object, Resources, UnsupportedConfig, seconds

FILTER = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_PATH = ":path"


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Admits `tokens` requests at once, and after that `per_second` requests a second."""

    tokens: int
    per_second: float

    @property
    def seconds_until_full(self) -> float:
        """How long an empty bucket takes to be full if nothing is admitted."""
        return self.tokens / self.per_second


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The bucket of each path that has one of its own, and the one that all other paths share."""

    where: str
    default: TokenBucket
    by_path: Mapping[str, TokenBucket]

    def bucket(self, path: str) -> TokenBucket:
        """The bucket of which a request with this path takes a token."""
        return self.by_path.get(path, self.default)


def read_rate_limits(resources: Resources, app: str, *, remedy: str) -> RateLimits:
    """The limits for requests to the pods of a service; raises NotConfigured if there are none."""
    found = [
        (f"EnvoyFilter {resources.namespace}/{item['metadata']['name']}", item, config)
        for item in resources.envoy_filters
        if (_path(item, "spec", "workloadSelector", "labels") or {}).get("app") == app
        for config in _filters(item)
    ]
    if not found:
        raise NotConfigured(f"no EnvoyFilter limits the rate of requests to {app}; {remedy}")
    if len(found) > 1:
        raise UnsupportedConfig(f"{' and '.join(where for where, _, _ in found)} limit requests to {app}")
    where, item, config = found[0]
    bucket = _path(config, "token_bucket")
    if bucket is None:
        raise UnsupportedConfig(f"{where} has no token_bucket for the requests that no descriptor is about")
    return RateLimits(where, _bucket(bucket, where), dict(_descriptors(item, config, where)))


def _filters(item: Object) -> Iterator[Object]:
    """The settings of the filters that an EnvoyFilter inserts."""
    for patch in item["spec"].get("configPatches", ()):
        config = _path(patch, "patch", "value", "typed_config") or {}
        if "type_url" in config or "typeUrl" in config:  # a TypedStruct
            config = {"@type": _path(config, "type_url"), **config["value"]}
        if patch.get("applyTo") == "HTTP_FILTER" and str(config.get("@type", "")).endswith(f"/{FILTER}"):
            yield config


def _descriptors(item: Object, config: Object, where: str) -> Iterator[tuple[str, TokenBucket]]:
    """The path of each descriptor, and its bucket."""
    descriptors = config.get("descriptors") or ()
    if descriptors and _path(config, "always_consume_default_token_bucket") is not False:
        raise UnsupportedConfig(f"{where}: requests with a bucket of their own use the common one, too")
    keys = set(_path_keys(item))
    for descriptor in descriptors:
        entries = descriptor.get("entries") or []
        if len(entries) != 1 or entries[0].get("key") not in keys:
            raise UnsupportedConfig(f"{where} has a descriptor that is not about the path of requests")
        yield str(entries[0]["value"]), _bucket(_path(descriptor, "token_bucket"), where)


def _path_keys(item: Object) -> Iterator[str]:
    """The keys of descriptors that the routes fill with the path."""
    for patch in item["spec"].get("configPatches", ()):
        for limit in _path(patch, "patch", "value", "route", "rate_limits") or ():
            for action in limit.get("actions") or ():
                headers = _path(action, "request_headers") or {}
                if _path(headers, "header_name") == _PATH:
                    yield str(_path(headers, "descriptor_key"))


def _bucket(bucket: Object, where: str) -> TokenBucket:
    tokens = int(_path(bucket, "max_tokens") or 0)
    interval = seconds(str(_path(bucket, "fill_interval")))
    if not tokens or not interval:
        raise UnsupportedConfig(f"{where} has a token_bucket without max_tokens or fill_interval")
    return TokenBucket(tokens, int(_path(bucket, "tokens_per_fill") or 1) / interval)


def _path(value: Any, *names: str) -> Any:
    """The value at a path of fields; `fill_interval` is also spelled `fillInterval`."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        first, *others = name.split("_")
        other = first + "".join(word.capitalize() for word in others)
        value = value.get(name, value.get(other))
    return value
