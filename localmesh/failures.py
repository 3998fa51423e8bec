"""Everything that can go wrong with a running mesh and that its user can do something about."""

from __future__ import annotations

from localmesh.envoy import EnvoyError, EnvoyMissingError
from localmesh.process import StartError
from localmesh.process_table import StateFolderInUseError
from localmesh.served.addresses import NoPlaceError
from localmesh.workloads import NoFreePortError, PodFailedError
from localmesh.xds import NotAcknowledgedError, RejectedError


class PortTakenError(Exception):
    """A port that was asked for is in use."""


class MeshRunsError(Exception):
    """A mesh with the same state folder runs already."""


FAILURES = (
    EnvoyError,
    EnvoyMissingError,
    MeshRunsError,
    NoFreePortError,
    NoPlaceError,
    NotAcknowledgedError,
    PodFailedError,
    PortTakenError,
    RejectedError,
    StartError,
    StateFolderInUseError,
)
"""Errors whose message says what is wrong and what to do."""
