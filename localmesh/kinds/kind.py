"""The record of one kind: what it is to Kubernetes, and what localmesh does with its objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from localmesh.problems import Problem
from localmesh.problems.fields import Field

NETWORKING = "networking.istio.io"
NETWORKING_VERSIONS = ("v1", "v1beta1", "v1alpha3")
SECURITY = "security.istio.io"
SECURITY_VERSIONS = ("v1", "v1beta1")

REMOVE_FIELD = "remove the field for local runs"

Rule = Callable[[Field], Iterator[Problem]]
"""A generator over an object's root that yields what is wrong.

A rule ignores what is absent or has the wrong type: the schema reports that.
"""


class Status(StrEnum):
    """What localmesh does with the objects of a kind."""

    TRANSLATED = "translated"
    IGNORED = "ignored"
    UNSUPPORTED = "unsupported"


class NameFormat(StrEnum):
    """Which names the API server accepts for objects of a kind."""

    SUBDOMAIN = "subdomain"
    LABEL = "label"
    PATH_SEGMENT = "path segment"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Kind:
    """One kind. Its group and name identify it: Istio and the Gateway API both have a `Gateway`.

    Fields are written as in problems, with `[]` for each entry of a list: `spec.servers[].bind`.
    """

    group: str
    """The API group, "" for the core group."""
    name: str
    """As in `kind:`, for example VirtualService."""
    versions: tuple[str, ...]
    """The versions that are served, the preferred one first."""
    plural: str
    """The name in paths of the API and on the command line."""
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    name_format: NameFormat = NameFormat.SUBDOMAIN
    removed: Mapping[str, str] = field(default_factory=dict)
    """apiVersions that are no longer served, each with the release that removed it."""
    has_schema: bool = True

    status: Status = Status.TRANSLATED
    reason: str = ""
    """Why the kind is ignored or not supported."""
    rules: tuple[Rule, ...] = ()
    """What Kubernetes or Istio validate beyond the schema and the metadata."""
    unsupported_fields: Mapping[str, str] = field(default_factory=dict)
    """Fields that Istio or Kubernetes act on and localmesh does not, each with what to do instead."""
    supported_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Fields of which localmesh supports only these values; case does not matter."""
    support_rules: tuple[Rule, ...] = ()
    """What else localmesh does not support, where the path of a field cannot express it."""
    ineffective_fields: Mapping[str, str] = field(default_factory=dict)
    """Fields that are accepted and change nothing on one machine, each with the reason."""

    @property
    def api_versions(self) -> tuple[str, ...]:
        """The versions that are served, as manifests write them: `networking.istio.io/v1`."""
        return tuple(f"{self.group}/{version}" if self.group else version for version in self.versions)

    @property
    def resource(self) -> str:
        """The plural with its group, which is unique: `gateways.networking.istio.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def __repr__(self) -> str:
        return f"Kind({self.resource})"
